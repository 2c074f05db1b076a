"""A Streamlit application as anybody would write it, but for reading who is speaking from the
headers Vestibule sets: the user from the request, the name from st.user, where Streamlit puts it."""

from urllib.parse import unquote

import streamlit as st

user = unquote(st.context.headers.get("X-Session-User", "stranger"))
name = unquote(st.user.get("name") or "nobody")

st.title(f"hello {user}")
st.text(f"known as {name}")
said = st.text_input("Say something")
if said:
    st.text(f"{user} said {said}")
