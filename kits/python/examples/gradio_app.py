"""A Gradio interface behind Vestibule.

    VESTIBULE_VERIFY=proof VESTIBULE_URL=https://chat.example VESTIBULE_ORIGIN_KEY=… \
        uvicorn gradio_app:app --port 8001
"""

import gradio as gr
from fastapi import FastAPI

from vestibule_session import SessionMiddleware
from vestibule_session.gradio import current_session


def answer(message: str, history: list, request: gr.Request) -> str:
    session = current_session(request)
    if session.data_omitted:  # It is too large for a request.
        session = session.refresh()
    count = session.data.get("count", 0) + 1
    session.patch({"count": count})
    return f"message {count} of {session.user or 'guest'}: {message}"


app = FastAPI()
app.add_middleware(SessionMiddleware)
app = gr.mount_gradio_app(app, gr.ChatInterface(answer), path="")
