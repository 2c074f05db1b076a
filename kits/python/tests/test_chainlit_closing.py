"""When a worker closes a page's connection. tests/kit/closing.test.mjs runs it in real Chainlit."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("engineio")

from vestibule_session import chainlit_closing
from vestibule_session.chainlit_closing import _Closing


class Page:
    """A page with one connection, and the server that it is connected to."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.pings = 0
        self.is_closed = False
        self.last_ping: float | None = None
        self.queue: asyncio.Queue[Any] = asyncio.Queue()
        self.session = SimpleNamespace(id="one", emit=self.emit, current_task=None)
        eio = SimpleNamespace(sockets={"eio": self}, disconnect=self.disconnect)
        self.closing = _Closing(SimpleNamespace(eio=eio))

    async def emit(self, event: str, _: Any) -> None:
        self.got.append(event)

    async def send(self, packet: Any) -> None:
        self.pings += 1

    async def disconnect(self, _: str) -> None:
        self.is_closed = True

    async def looks(self, times: int) -> None:
        for _ in range(times):
            await self.closing.consider("sid", self.session, "eio")


@pytest.fixture(autouse=True)
def no_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chainlit_closing, "_HOLD", 0.0)


def test_closes_only_after_the_pong() -> None:
    async def run() -> None:
        page = Page()
        await page.looks(20)
        assert page.got == ["task_start"]
        assert (page.pings, page.is_closed) == (1, False)
        page.last_ping = None
        await page.looks(1)
        assert not page.is_closed, "what came before the pong is still on its way to its handler"
        await page.looks(1)
        assert page.is_closed

    asyncio.run(run())


def test_a_message_before_the_pong_is_answered_and_everything_is_asked_again() -> None:
    async def run() -> None:
        page = Page()
        await page.looks(5)
        page.last_ping = None
        await page.looks(1)
        page.session.current_task = asyncio.ensure_future(asyncio.sleep(0.01))
        await page.looks(5)
        assert not page.is_closed
        await page.session.current_task
        await page.session.emit("task_end", {})
        assert page.got == ["task_start", "task_end", "task_start"]
        await page.looks(5)
        assert (page.pings, page.is_closed) == (2, False)

    asyncio.run(run())


def test_a_page_that_is_gone_is_closed_without_its_pong(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        page = Page()
        await page.looks(5)
        monkeypatch.setattr(chainlit_closing, "_PONG_WITHIN", 0.0)
        await page.looks(1)
        assert page.is_closed

    asyncio.run(run())
