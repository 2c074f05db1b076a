"""A Chainlit whose answers take long, and whose conversations begin with a hook."""

import asyncio

import chainlit as cl

from vestibule_session import chainlit as vestibule

vestibule.install()


@cl.header_auth_callback
def sign_in(headers) -> cl.User:
    return vestibule.user()


@cl.on_chat_start
async def start() -> None:
    await asyncio.sleep(0)


@cl.on_message
async def on_message(message: cl.Message) -> None:
    print(f"asked: {message.content}", flush=True)
    answer = cl.Message(content="")
    await answer.stream_token("let me think: ")
    await asyncio.sleep(7)
    await answer.stream_token(message.content)
    await answer.update()
