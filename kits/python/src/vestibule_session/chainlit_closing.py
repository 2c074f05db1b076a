"""Closes the connections of Chainlit's pages before a worker ends, without losing a message."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from .chainlit_answers import is_answering

_HOLD = 2.0
"""Seconds in which a page shows that it takes no input, after `task_start`."""

_PONG_WITHIN = 5.0
"""Seconds for a page to say that all it sent has arrived. One that does not is gone."""

_PAUSE = 0.05
"""Seconds between two looks. In it, what has arrived gets to its handler."""


@dataclass
class _Held:
    """A page that takes no input since `since`, and was asked at `asked` whether all arrived."""

    since: float
    asked: float | None = None
    has_answered: bool = False


class _Closing:
    def __init__(self, sio: Any) -> None:
        self._sio = sio
        self._held: dict[str, _Held] = {}

    async def consider(self, sid: str, session: Any, eio_sid: str) -> None:
        """Holds a conversation's page, or closes its connection as soon as nothing can be lost."""
        if sid not in self._held:
            emit, session.emit = session.emit, self._holding(sid, session.emit)
            await self._hold(sid, emit)
        held, now = self._held[sid], time.monotonic()
        if is_answering(session):
            held.asked, held.has_answered = None, False
        elif held.asked is None:
            if now - held.since >= _HOLD:
                held.asked = now
                await self._ask(self._sio.eio.sockets[eio_sid])
        elif held.has_answered or now - held.asked >= _PONG_WITHIN:
            await self._close(eio_sid)
        else:
            # The next look is after `_PAUSE`: messages before the pong are with their handlers.
            held.has_answered = self._sio.eio.sockets[eio_sid].last_ping is None

    async def _hold(self, sid: str, emit: Any) -> None:
        self._held[sid] = _Held(time.monotonic())
        await emit("task_start", {})

    def _holding(self, sid: str, emit: Any) -> Any:
        async def emit_and_hold(event: str, data: Any) -> Any:
            answer = await emit(event, data)
            if event == "task_end":
                await self._hold(sid, emit)
            return answer

        return emit_and_hold

    async def _ask(self, socket: Any) -> None:
        """Sends a ping. The pong arrives behind all that the page sent before it."""
        from engineio.packet import PING, Packet

        # Engine.IO forgets this time at the pong.
        socket.last_ping = time.time()
        await socket.send(Packet(PING))

    async def _close(self, eio_sid: str) -> None:
        socket = self._sio.eio.sockets[eio_sid]
        await self._sio.eio.disconnect(eio_sid)
        # Pages ignore Engine.IO's packet `close`. This ends the WebSocket.
        await socket.queue.put(None)


async def close_idle_conversations() -> None:
    """Closes the connection of every conversation, when no answer is under way in it.

    The page takes no input after `task_start`. What it sent before is answered first, however late
    this process reads it. Then the page reconnects by itself, and the process that it finds sends
    `task_end`. `vestibule_session.worker` awaits this before it ends.
    """
    from chainlit.server import sio
    from chainlit.session import ws_sessions_sid

    closing = _Closing(sio)
    while ws_sessions_sid:
        known = [
            (sid, session, sio.manager.eio_sid_from_sid(sid, "/"))
            for sid, session in ws_sessions_sid.items()
        ]
        open_ones = [one for one in known if one[2] in sio.eio.sockets]
        if not open_ones:
            return
        await asyncio.gather(*(closing.consider(*one) for one in open_ones), return_exceptions=True)
        await asyncio.sleep(_PAUSE)
