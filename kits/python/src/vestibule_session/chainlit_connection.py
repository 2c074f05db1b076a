"""What the kit does at each connection of a page, behind Chainlit's own handler."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from .channel import Channel
from .errors import SessionError
from .middleware import SCOPE_KEY

Step = Callable[[Any, Channel], Awaitable[None]]
"""Gets Chainlit's session of the connection, and the channel of Vestibule's."""

_log = logging.getLogger("vestibule_session")

_steps: list[Step] = []


def at_connection(step: Step) -> None:
    """Runs a step at each connection, after those that were added before, and before any hook."""
    import chainlit.socket  # noqa: F401  (registers the handlers)
    from chainlit.server import sio
    from chainlit.session import WebsocketSession

    if step not in _steps:  # `chainlit run --watch` loads the application again.
        _steps.append(step)
    handlers: dict[str, Any] = sio.handlers["/"]
    handler = handlers["connect"]
    if hasattr(handler, "runs_steps"):
        return

    async def connect(sid: str, environ: dict[str, Any], auth: Any) -> Any:
        answer = await handler(sid, environ, auth)
        session = WebsocketSession.get(sid)
        channel: Channel | None = environ.get("asgi.scope", {}).get(SCOPE_KEY)
        if session is not None and channel is not None:
            for step in _steps:
                await step(session, channel)
        return answer

    connect.runs_steps = True  # type: ignore[attr-defined]
    handlers["connect"] = connect


async def read_omitted(_: Any, channel: Channel) -> None:
    """Reads data that the handshake does not carry, for hooks that cannot wait for it."""
    if channel.session.data_omitted:
        try:
            await channel.session.arefresh()
        except SessionError as error:
            _log.warning("The session's data is not read: %s", error)
