"""A Chainlit application as anybody would write it, but for reading who is speaking from the
headers Vestibule sets. It streams its answers, says which process gives them, and counts the
messages of a conversation in the process's own memory."""

import json
import os

import chainlit as cl

NAME = os.environ["PROCESS_NAME"]
HEADER_LOG = os.environ["HEADER_LOG"]


@cl.header_auth_callback
def sign_in(headers):
    with open(HEADER_LOG, "a", encoding="utf-8") as log:
        log.write(json.dumps({"process": NAME, "headers": dict(headers)}) + "\n")
    handle = headers.get("x-session-id")
    if handle is None:
        return None
    metadata = {"tenant": headers.get("x-session-tenant"), "user": headers.get("x-session-user")}
    return cl.User(identifier=handle, metadata=metadata)


@cl.on_message
async def on_message(message: cl.Message):
    count = cl.user_session.get("count", 0) + 1
    cl.user_session.set("count", count)
    answer = cl.Message(content="")
    for word in f"{NAME} heard message {count}: {message.content}".split(" "):
        await answer.stream_token(word + " ")
    await answer.update()
