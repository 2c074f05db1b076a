"""A worker that stops without an error for anybody: uvicorn, and what Vestibule must know of it.

    VESTIBULE_ORIGIN=app-1 python -m vestibule_session.worker main:app --port 8001

Takes uvicorn's options. On SIGTERM it tells Vestibule that this origin is not ready, and serves on
until that is known everywhere. Then it takes no more connections, lets each conversation finish
the answer under way, and ends. `VESTIBULE_ORIGIN` is its name in `ORIGINS`; without it, or without
`VESTIBULE_URL` and `VESTIBULE_ORIGIN_KEY`, Vestibule is told nothing.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import socket
from contextlib import suppress
from typing import Any

import uvicorn

from .draining import drain
from .errors import SessionError, Unavailable
from .origin_api import OriginApi

_KNOWN_AFTER = 2.5
"""Seconds after which all of Vestibule's isolates know it: they exchange reports every two."""

_GRACE = 30
"""Seconds for answers under way, if uvicorn's `--timeout-graceful-shutdown` does not say."""

_LONGEST_PAUSE = 8.0
"""Most seconds between two attempts to tell Vestibule that the worker is ready."""

_log = logging.getLogger("uvicorn.error")


class Server(uvicorn.Server):  # type: ignore[misc]
    """Announces when it starts and before it stops, and drains in between."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._origin = os.environ.get("VESTIBULE_ORIGIN", "")
        self._api = OriginApi.from_env() if self._origin else None
        self._announcing: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._announcing = asyncio.create_task(self._announce_ready())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        if await self._is_announced(False):
            await self._unless_forced(asyncio.sleep(_KNOWN_AFTER))
        grace = self.config.timeout_graceful_shutdown
        deadline = loop.time() + (_GRACE if grace is None else grace)
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            # Idle connections close, requests under way finish. WebSockets stay until they drained.
            if isinstance(connection, self.config.http_protocol_class):
                connection.shutdown()
        await self._unless_forced(drain(deadline - loop.time()))
        self.config.timeout_graceful_shutdown = max(1, round(deadline - loop.time()))
        await super().shutdown(sockets)

    async def _announce_ready(self) -> None:
        pause = 0.5
        while not await self._is_announced(True) and self._api is not None:
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _is_announced(self, is_ready: bool) -> bool:
        """Tells Vestibule. Returns false if it cannot, or if another attempt may succeed."""
        if not is_ready and self._announcing is not None:
            self._announcing.cancel()
        if self._api is None:
            return False
        try:
            await self._api.aready(self._origin, is_ready)
        except Unavailable as error:
            _log.warning("%s", error)
            return False
        except SessionError as error:
            _log.warning("Vestibule is not told when this worker stops: %s", error)
            self._api = None
            return False
        return True

    async def _unless_forced(self, waiting: Any) -> None:
        """Waits, but not after a second SIGINT."""
        task = asyncio.ensure_future(waiting)
        while not task.done() and not self.force_exit:
            await asyncio.wait([task], timeout=0.1)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def main() -> None:
    # uvicorn's command line makes its server by this name, with all options that it knows.
    command_line = importlib.import_module("uvicorn.main")
    vars(command_line)["Server"] = Server
    command_line.main()


if __name__ == "__main__":
    main()
