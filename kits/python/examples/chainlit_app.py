"""A Chainlit that survives: another process goes on counting where a dead one stopped.

export VESTIBULE_VERIFY=proof VESTIBULE_URL=https://chat.example VESTIBULE_ORIGIN_KEY=…
chainlit run chainlit_app.py --headless --port 8001
"""

import chainlit as cl

from vestibule_session import chainlit as vestibule

vestibule.install()


@cl.header_auth_callback
def sign_in(headers) -> cl.User:
    return vestibule.user()


@cl.on_logout
def sign_out(request, response) -> None:
    vestibule.current_session().destroy()


@cl.on_chat_start
async def start() -> None:
    if vestibule.current_session().is_taken_over:
        await cl.Message(content="Another server had to stop. Let us go on.").send()


@cl.on_message
async def on_message(message: cl.Message) -> None:
    count = vestibule.remembered("count", 0) + 1
    await vestibule.remember(count=count)
    speaker = vestibule.current_session().user or "guest"
    answer = cl.Message(content="")
    for word in f"message {count} of {speaker}: {message.content}".split(" "):
        await answer.stream_token(word + " ")
    await answer.update()
