"""A chat that answers with what its server knows of the user."""

from urllib.parse import unquote

import gradio as gr


def answer(message: str, _history: list[object], request: gr.Request) -> str:
    user = unquote(request.headers.get("x-session-user", "guest"))
    return f"{user} said {message}"


gr.ChatInterface(answer, title="chat").launch(quiet=True)
