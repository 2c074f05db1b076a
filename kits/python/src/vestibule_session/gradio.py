"""Vestibule's session in Gradio's functions. The application needs `SessionMiddleware`."""

from __future__ import annotations

from typing import Any, Protocol

from .errors import NoSession
from .middleware import SCOPE_KEY
from .session import Session


class Request(Protocol):
    """As much of `gradio.Request` as is read here."""

    request: Any


def current_session(request: Request) -> Session:
    """Returns the session of an event.

        def answer(message: str, request: gr.Request) -> str:
            session = current_session(request)

    Functions run after the response began, so changes go through the session API.
    """
    channel = getattr(request.request, "scope", {}).get(SCOPE_KEY)
    if channel is None:
        raise NoSession(
            "This event has no session: SessionMiddleware did not see its request. Mount the "
            "interface in an application that has it, or pass it to launch() in app_kwargs."
        )
    session: Session = channel.session
    return session
