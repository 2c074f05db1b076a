"""A Streamlit script behind Vestibule.

    VESTIBULE_VERIFY=proof VESTIBULE_URL=https://chat.example VESTIBULE_ORIGIN_KEY=… \
        streamlit run streamlit_app.py --server.port 8001
"""

import streamlit as st

from vestibule_session import Unverified
from vestibule_session.streamlit import current_session

try:
    session = current_session()
    if session.data_omitted:  # It is too large for a request.
        session = session.refresh()
except Unverified as error:
    st.error(str(error))
    st.stop()

st.title(f"hello {session.name or session.user or 'guest'}")
if st.button("Count"):
    session = session.patch({"count": session.data.get("count", 0) + 1})
st.text(f"counted to {session.data.get('count', 0)}")
