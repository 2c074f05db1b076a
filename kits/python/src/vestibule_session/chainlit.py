"""Vestibule's session in Chainlit: at sign-in, in every hook, and after a process died.

Chainlit keeps `cl.user_session` in the memory of one process. What `remember` stores is in the
session, so `remembered` finds it in the process that takes the conversation over, too.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import chainlit as cl
from chainlit.context import ChainlitContextException

from . import channel as requests
from .chainlit_answers import follow_answers
from .chainlit_closing import close_idle_conversations
from .chainlit_connection import at_connection, read_omitted
from .chainlit_memory import keep_user_sessions
from .draining import before_close
from .errors import NoSession
from .middleware import SCOPE_KEY, SessionMiddleware
from .origin_api import OriginApi
from .session import Session
from .verification import Verifier

MEMBER = "chainlit"
"""The member of the session's data that holds what `remember` stores."""


def install(
    *,
    keep_user_session: bool = False,
    verifier: Verifier | None = None,
    api: OriginApi | None = None,
    open_paths: Collection[str] = (),
) -> None:
    """Puts `SessionMiddleware` in front of Chainlit. Call it at the top of the application.

    With `keep_user_session`, `cl.user_session` is saved in the session with each answer, and
    another process goes on with it. The application needs no other change. Without, only what it
    stores with `remember` survives.

    Where Chainlit is mounted in an application that has the middleware, it is not added again.
    """
    from chainlit.server import app

    if app.middleware_stack is None:  # `chainlit run --watch` loads the module again.
        app.add_middleware(SessionMiddleware, verifier=verifier, api=api, open_paths=open_paths)
    follow_answers()
    at_connection(read_omitted)
    if keep_user_session:
        keep_user_sessions()


def user() -> cl.User:
    """Returns Chainlit's user for the session, a guest's too.

        @cl.header_auth_callback
        def sign_in(headers):
            return vestibule.user()

    The metadata holds `session`, `tenant`, `user`, `email`, `name`, `groups` and `is_guest`.
    """
    session = current_session()
    metadata = {
        "session": session.id,
        "tenant": session.tenant,
        "user": session.user,
        "email": session.email,
        "name": session.name,
        "groups": list(session.groups),
        "is_guest": session.is_guest,
    }
    return cl.User(
        identifier=session.user or session.id,
        display_name=session.name,
        metadata=metadata,
    )


def current_session() -> Session:
    """Returns the session in any of Chainlit's hooks.

    In `on_chat_start`, `on_message`, `on_chat_end` and other hooks of a conversation it is the
    session of the connection, as of its handshake and the changes made since. Change it with
    `await session.apatch(...)` there: a socket has no response headers.
    """
    try:
        environ = cl.context.session.environ
    except ChainlitContextException:
        return requests.current_session()
    channel = environ.get("asgi.scope", {}).get(SCOPE_KEY) or requests.current_channel()
    if channel is None:
        raise NoSession(
            "This conversation has no session: SessionMiddleware did not see its connection. "
            "Call vestibule_session.chainlit.install() at the top of the application."
        )
    session: Session = channel.session
    return session


async def remember(**values: Any) -> Session:
    """Stores values in the session. They must be JSON; None removes one."""
    return await current_session().apatch({MEMBER: values})


def remembered(name: str, default: Any = None) -> Any:
    """Returns a value that `remember` stored, in this process or in another one.

    The kit reads data larger than `MAX_DATA` when the page connects. If it could not, this raises
    `DataOmitted`: `await current_session().arefresh()` tries again.
    """
    return current_session().data.get(MEMBER, {}).get(name, default)


before_close(close_idle_conversations)
