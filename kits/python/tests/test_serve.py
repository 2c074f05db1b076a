"""The supervisor, with real uvicorn processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from servers import free_ports

from vestibule_session.serve import gateway_settings

APP = """
import asyncio
import os
import pathlib

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route


async def pid(request):
    if "seconds" in request.query_params:
        pathlib.Path("begun").touch()
        await asyncio.sleep(float(request.query_params["seconds"]))
    return PlainTextResponse(str(os.getpid()))


app = Starlette(routes=[Route("/", pid)])
"""


class Supervisor:
    """A supervisor with two workers, and what it prints."""

    def __init__(self, folder: Path, *options: str, path: str | None = None) -> None:
        self.folder = folder
        (folder / "main.py").write_text(APP)
        self.port = free_ports(2)
        command = [sys.executable, "-m", "vestibule_session.serve", "main:app", "--workers", "2"]
        command += ["--port", str(self.port), "--grace", "5", *options]
        command += ["--", "--log-level", "error"]
        env = {**os.environ, "PATH": f"{path or ''}:{os.environ['PATH']}"}
        self.process = subprocess.Popen(
            command, cwd=folder, env=env, stdout=subprocess.PIPE, text=True
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            self.lines.extend(iter(output.readline, ""))

    def pid(self, number: int, seconds: float = 0) -> int | None:
        """The process behind a worker's port; none while nobody answers."""
        query = f"?seconds={seconds}" if seconds else ""
        url = f"http://127.0.0.1:{self.port + number}/{query}"
        try:
            return int(httpx.get(url, timeout=20).text)
        except httpx.TransportError:
            return None

    def pids(self) -> list[int]:
        return [until(partial(self.pid, number)) for number in (0, 1)]

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(30)
        self._reader.join()


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor(tmp_path)
    try:
        yield supervisor
    finally:
        supervisor.end()


def until(condition: Callable[[], Any], within: float = 60) -> Any:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(0.02)
    raise AssertionError("the condition did not come true")


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_workers_are_replaced_when_they_die_and_end_with_the_supervisor(
    supervisor: Supervisor,
) -> None:
    first = supervisor.pids()
    assert first[0] != first[1]
    port = supervisor.port
    expected = f"ORIGINS=app-1=http://127.0.0.1:{port},app-2=http://127.0.0.1:{port + 1}\n"
    assert expected in supervisor.lines

    os.kill(first[0], signal.SIGKILL)
    again = until(lambda: (pid := supervisor.pid(0)) not in (None, first[0]) and pid)
    assert supervisor.pid(1) == first[1]

    supervisor.process.terminate()
    assert supervisor.process.wait(30) == 0
    until(lambda: is_gone(again) and is_gone(first[1]))


def test_hang_up_restarts_one_after_another_and_finishes_requests(supervisor: Supervisor) -> None:
    first = supervisor.pids()
    slow: list[int | None] = []
    request = threading.Thread(target=lambda: slow.append(supervisor.pid(0, seconds=1)))
    request.start()
    until(lambda: (supervisor.folder / "begun").exists())
    supervisor.process.send_signal(signal.SIGHUP)
    until(lambda: "all workers are restarted\n" in supervisor.lines)
    request.join()
    assert slow == [first[0]], "the request under way was answered"
    second = [supervisor.pid(number) for number in (0, 1)]
    assert None not in second
    assert not set(first) & set(second)
    restarts = [line for line in supervisor.lines if re.search("restarts|ended", line)]
    assert restarts == ["app-1 restarts\n", "app-2 restarts\n"]


def test_gateway_begins_and_ends_with_the_workers(tmp_path: Path) -> None:
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text('#!/bin/sh\necho $$ > pid\necho "npm $* in $PWD"\nexec sleep 600\n')
    npm.chmod(0o755)
    gateway = ("--gateway", str(npm.parent), "--gateway-port", "9000")
    supervisor = Supervisor(tmp_path, *gateway, path=str(npm.parent))
    try:
        supervisor.pids()
        origins = [
            f"--origin app-{at + 1}=http://127.0.0.1:{supervisor.port + at}" for at in (0, 1)
        ]
        started = f"npm start -- --port 9000 {' '.join(origins)} in {npm.parent}\n"
        until(lambda: started in supervisor.lines)
    finally:
        supervisor.end()
    assert supervisor.process.returncode == 0
    assert is_gone(int((npm.parent / "pid").read_text()))


def test_gateway_sends_what_the_kit_believes() -> None:
    key = "a-key-of-the-origin-for-tests"
    for verify, expected in [
        ("", []),
        ("proof", ["PROOF:true"]),
        ("assertion", ["ASSERTION:true"]),
    ]:
        assert gateway_settings({"VESTIBULE_VERIFY": verify}) == expected
    environ = {"VESTIBULE_VERIFY": "proof", "VESTIBULE_ORIGIN_KEY": f" {key} , an-older-key"}
    assert gateway_settings(environ) == [f"ORIGIN_KEY:{key}", "CONSISTENCY:strong", "PROOF:true"]


def test_workers_end_with_the_gateway(tmp_path: Path) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\nexit 3\n")
    npm.chmod(0o755)
    supervisor = Supervisor(tmp_path, "--gateway", str(tmp_path), path=str(tmp_path))
    try:
        assert supervisor.process.wait(60) == 1
    finally:
        supervisor.end()
    assert "the gateway ended with 3\n" in supervisor.lines
