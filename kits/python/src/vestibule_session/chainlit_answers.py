"""Knows which conversations with Chainlit have an answer under way.

Chainlit's `session.current_task` does not say: `on_chat_start` replaces it, even if the page sent
its first message meanwhile, and an edited message does not set it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

Handler = Callable[..., Awaitable[Any]]

_EVENTS = (
    "client_message",
    "edit_message",
    "window_message",
    "audio_start",
    "audio_chunk",
    "audio_end",
    "chat_settings_change",
)
"""Events of a page that the application's hooks may answer."""

_answering: dict[str, set[asyncio.Task[Any]]] = {}
"""Tasks that answer, by id of Chainlit's session. It stays the same when the page reconnects."""


def is_answering(session: Any) -> bool:
    """Returns whether an answer is under way in a session of Chainlit's."""
    task = session.current_task
    return session.id in _answering or (task is not None and not task.done())


def follow_answers() -> None:
    """Follows all answers from now on. Call it before the first message arrives."""
    import chainlit.socket  # noqa: F401  (registers the handlers)
    from chainlit.server import sio

    handlers: dict[str, Any] = sio.handlers["/"]
    for event in _EVENTS:
        handler = handlers.get(event)
        # `chainlit run --watch` loads the application again.
        if handler is not None and not hasattr(handler, "is_followed"):
            handlers[event] = _followed(handler)


def _followed(handler: Handler) -> Handler:
    async def handle(sid: str, *payload: Any) -> Any:
        from chainlit.session import WebsocketSession

        session = WebsocketSession.get(sid)
        # All but new messages are answered by their handlers.
        _follow(session, asyncio.current_task())
        answer = await handler(sid, *payload)
        # A new message is answered by a task that its handler began just now.
        _follow(session, session.current_task if session is not None else None)
        return answer

    handle.is_followed = True  # type: ignore[attr-defined]
    return handle


def _follow(session: Any, task: asyncio.Task[Any] | None) -> None:
    if session is None or task is None or task.done():
        return
    tasks = _answering.setdefault(session.id, set())
    tasks.add(task)

    def end(ended: asyncio.Task[Any]) -> None:
        tasks.discard(ended)
        if not tasks and _answering.get(session.id) is tasks:
            del _answering[session.id]

    task.add_done_callback(end)
