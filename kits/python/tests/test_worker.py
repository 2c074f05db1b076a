"""Workers that say when they stop: real uvicorn processes, and a server in Vestibule's place."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from servers import free_port, serving
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from vestibule_session import draining

APP = """
import asyncio
import os
import pathlib

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute

from vestibule_session.draining import before_close


async def page(request):
    return PlainTextResponse("here")


async def echo(socket):
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text)


async def finish():
    pathlib.Path("draining").touch()
    while not pathlib.Path("finished").exists():
        await asyncio.sleep(0.02)


before_close(finish)
app = Starlette(routes=[Route("/", page), WebSocketRoute("/echo", echo)])
"""


class Gateway:
    """Records what workers say, and answers what it is given."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.answer: Response = Response(status_code=204)

    async def hear(self, request: Request) -> Response:
        assert request.headers["authorization"] == "Bearer key-1"
        self.told.append(request.url.path)
        return self.answer


class Worker:
    def __init__(self, folder: Path, gateway: str) -> None:
        self.folder = folder
        (folder / "main.py").write_text(APP)
        self.port = free_port()
        command = [sys.executable, "-m", "vestibule_session.worker", "main:app"]
        command += ["--port", str(self.port), "--log-level", "warning"]
        command += ["--timeout-graceful-shutdown", "20"]
        env = {"VESTIBULE_ORIGIN": "app-1", "VESTIBULE_URL": gateway}
        env["VESTIBULE_ORIGIN_KEY"] = "key-1,key-0"
        self.process = subprocess.Popen(command, cwd=folder, env={**os.environ, **env})

    def answers(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/").text == "here"
        except httpx.TransportError:
            return False


@pytest.fixture
def gateway() -> Iterator[tuple[Gateway, str]]:
    gateway = Gateway()
    with serving(Starlette(routes=[Route("/{path:path}", gateway.hear, methods=["POST"])])) as url:
        yield gateway, url


@pytest.fixture
def worker(tmp_path: Path, gateway: tuple[Gateway, str]) -> Iterator[Worker]:
    worker = Worker(tmp_path, gateway[1])
    try:
        until(worker.answers)
        yield worker
    finally:
        worker.process.kill()
        worker.process.wait(30)


def until(condition: object, within: float = 60) -> None:
    assert callable(condition)
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.02)


def test_worker_serves_until_its_stop_is_known_and_its_conversations_are_finished(
    gateway: tuple[Gateway, str], worker: Worker
) -> None:
    told = gateway[0].told
    until(lambda: told == ["/_session/api/origins/app-1/ready"])
    with connect(f"ws://127.0.0.1:{worker.port}/echo") as socket:
        worker.process.send_signal(signal.SIGTERM)
        until(lambda: told[1:] == ["/_session/api/origins/app-1/unready"])
        assert worker.answers(), "Vestibule may not know yet"
        until(lambda: (worker.folder / "draining").exists())
        assert not worker.answers()
        socket.send("still here")
        assert socket.recv() == "still here"
        (worker.folder / "finished").touch()
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=30)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
    worker.process.wait(30)
    assert told[2:] == []


def test_worker_without_a_place_in_origins_works_all_the_same(
    gateway: tuple[Gateway, str], worker: Worker
) -> None:
    until(lambda: gateway[0].told)
    gateway[0].answer = JSONResponse({"code": "not_found"}, 404)
    (worker.folder / "finished").touch()
    worker.process.send_signal(signal.SIGTERM)
    worker.process.wait(30)
    assert gateway[0].told[-1] == "/_session/api/origins/app-1/unready"


def test_drain_ends_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    async def quick() -> None:
        ended.set()

    async def endless() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(draining, "_drains", [])
    assert asyncio.run(draining.drain(0.05)), "nothing to wait for"
    draining.before_close(quick)
    draining.before_close(quick)
    assert asyncio.run(draining.drain(5))
    draining.before_close(endless)
    assert not asyncio.run(draining.drain(0.05))
    assert ended.is_set()
