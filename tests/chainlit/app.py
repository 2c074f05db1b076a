"""A Chainlit application as anybody would write it, but for reading who is speaking from the
headers Vestibule sets: the user who signed in, else the visitor. It streams its answers, says which
process gives them and to which user, tells the size of files, and counts the messages of a
conversation in the process's own memory."""

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
    user = headers.get("x-session-user")
    metadata = {
        "tenant": headers.get("x-session-tenant"),
        "user": user,
        "is_guest": user is None,
    }
    return cl.User(identifier=user or handle, metadata=metadata)


@cl.on_logout
def sign_out(request, response):
    response.headers["x-session-destroy"] = "1"


@cl.on_message
async def on_message(message: cl.Message):
    count = cl.user_session.get("count", 0) + 1
    cl.user_session.set("count", count)
    user = cl.user_session.get("user")
    speaker = "" if user.metadata["is_guest"] else f" of {user.identifier}"
    files = "".join(f" ({file.name}, {os.path.getsize(file.path)} bytes)" for file in message.elements)
    answer = cl.Message(content="")
    for word in f"{NAME} heard message {count}{speaker}: {message.content}{files}".split(" "):
        await answer.stream_token(word + " ")
    await answer.update()
