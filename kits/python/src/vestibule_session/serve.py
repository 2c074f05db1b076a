"""Runs an application in several processes, each with a port of its own.

    python -m vestibule_session.serve main:app --workers 4

A balancer in front of workers that share a port cannot send a visitor back to the same one. Here
each worker is an origin of Vestibule. SIGHUP restarts the workers one after another, SIGTERM stops
them all; both tell Vestibule first, and let answers finish for `--grace` seconds
(`vestibule_session.worker`). A worker that dies is started again.

With `--gateway`, a checkout of Vestibule, it runs `npm start` there with the workers as origins, as
soon as they accept connections. What the kit is set to believe, Vestibule is set to send.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

_KILL_AFTER = 10.0
"""Seconds for which a worker may outlast its grace: it tells Vestibule before that begins."""

_START_WITHIN = 120.0
"""Seconds in which a worker must accept connections when workers are restarted in turn."""

_LONGEST_PAUSE = 10.0
"""Most seconds before a worker is started again that dies at once."""

_STEADY = 10.0
"""Seconds after which a worker counts as started well."""


@dataclass(frozen=True)
class Options:
    app: str
    workers: int
    host: str
    port: int
    grace: int
    advertise: str
    name: str
    gateway: str | None
    gateway_port: int
    uvicorn: Sequence[str]


@dataclass(eq=False)
class Worker:
    """One process of the application, started again whenever it ends."""

    options: Options
    number: int
    process: asyncio.subprocess.Process | None = None
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _is_ending: bool = False
    _restarted: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def port(self) -> int:
        return self.options.port + self.number

    @property
    def name(self) -> str:
        return f"{self.options.name}-{self.number + 1}"

    async def run(self) -> None:
        """Keeps the process alive until `stop`."""
        loop = asyncio.get_running_loop()
        pause = 0.1
        while not self._stopping.is_set():
            begun = loop.time()
            env = {**_addressed(self.options), **os.environ, "VESTIBULE_ORIGIN": self.name}
            self.process = await asyncio.create_subprocess_exec(*self._command(), env=env)
            self._restarted.set()
            if self._stopping.is_set():  # `stop` found no process to end.
                self.process.terminate()
            code = await self.process.wait()
            if self._stopping.is_set():
                return
            if self._is_ending or loop.time() - begun >= _STEADY:
                pause = 0.1
            if self._is_ending:
                self._is_ending = False
                continue
            _say(f"{self.name} ended with {code}; starting it again in {pause:g} s")
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def restart(self) -> None:
        """Ends the process gracefully, and waits until the next one accepts connections."""
        _say(f"{self.name} restarts")
        self._restarted.clear()
        await self._end()
        await self._restarted.wait()
        await self.accepts()

    async def stop(self) -> None:
        self._stopping.set()
        await self._end()

    async def accepts(self) -> None:
        """Waits until the port accepts connections."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _START_WITHIN
        while loop.time() < deadline and not self._stopping.is_set():
            with suppress(OSError):
                _, writer = await asyncio.open_connection(_local(self.options.host), self.port)
                writer.close()
                return
            await asyncio.sleep(0.05)

    async def _end(self) -> None:
        process = self.process
        if process is None or process.returncode is not None:
            return
        self._is_ending = True
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), self.options.grace + _KILL_AFTER)
        except asyncio.TimeoutError:
            _say(f"{self.name} did not end within its grace; killing it")
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _command(self) -> list[str]:
        options = self.options
        command = [sys.executable, "-m", "vestibule_session.worker", options.app]
        command += ["--host", options.host, "--port", str(self.port)]
        command += ["--timeout-graceful-shutdown", str(options.grace)]
        return [*command, *options.uvicorn]


def origins(options: Options) -> str:
    """Returns the value of Vestibule's setting `ORIGINS` for these workers."""
    workers = [Worker(options, number) for number in range(options.workers)]
    host = f"[{options.advertise}]" if ":" in options.advertise else options.advertise
    return ",".join(f"{worker.name}=http://{host}:{worker.port}" for worker in workers)


async def supervise(options: Options) -> int:
    """Runs the workers until SIGTERM or SIGINT. Returns the code of the program's end."""
    loop = asyncio.get_running_loop()
    workers = [Worker(options, number) for number in range(options.workers)]
    stop, hang_up = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, hang_up.set)
    runs = [asyncio.create_task(worker.run()) for worker in workers]
    restarts = asyncio.create_task(_restart_in_turn(workers, hang_up))
    _say(f"ORIGINS={origins(options)}")
    gateway = asyncio.create_task(_run_gateway(options, workers))
    stopped = asyncio.create_task(stop.wait())
    # Without its gateway, nobody reaches the workers.
    await asyncio.wait([stopped, gateway], return_when=asyncio.FIRST_COMPLETED)
    restarts.cancel()
    stopped.cancel()
    await asyncio.gather(*(worker.stop() for worker in workers))
    has_gateway_ended = gateway.done()
    gateway.cancel()
    with suppress(asyncio.CancelledError):
        await gateway
    await asyncio.gather(restarts, *runs, return_exceptions=True)
    return int(has_gateway_ended and not stop.is_set())


def gateway_settings(environ: Mapping[str, str]) -> list[str]:
    """Returns the settings of Vestibule that the kit's own environment demands."""
    settings = []
    key = environ.get("VESTIBULE_ORIGIN_KEY", "").split(",")[0].strip()
    if key:
        # The workers say when they stop, and changes are stored before they are confirmed.
        settings += [f"ORIGIN_KEY:{key}", "CONSISTENCY:strong"]
    wanted = {"proof": "PROOF:true", "assertion": "ASSERTION:true"}
    chosen = wanted.get(environ.get("VESTIBULE_VERIFY", ""))
    if chosen:
        settings.append(chosen)
    return settings


def _addressed(options: Options) -> dict[str, str]:
    """Returns where the workers find the gateway, if it is started here."""
    if options.gateway is None:
        return {}
    return {"VESTIBULE_URL": f"http://localhost:{options.gateway_port}"}


async def _run_gateway(options: Options, workers: Sequence[Worker]) -> None:
    """Runs Vestibule until it ends or this is cancelled; without `--gateway` it waits."""
    if options.gateway is None:
        await asyncio.Event().wait()
        return
    # Before they listen, each would be ejected at the first request.
    await asyncio.gather(*(worker.accepts() for worker in workers))
    command = ["npm", "start", "--", "--port", str(options.gateway_port)]
    for origin in origins(options).split(","):
        command += ["--origin", origin]
    for setting in gateway_settings(os.environ):
        command += ["--var", setting]
    process = await asyncio.create_subprocess_exec(*command, cwd=options.gateway)
    try:
        _say(f"the gateway ended with {await process.wait()}")
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _restart_in_turn(workers: Sequence[Worker], hang_up: asyncio.Event) -> None:
    while True:
        await hang_up.wait()
        hang_up.clear()
        for worker in workers:
            await worker.restart()
        _say("all workers are restarted")


def _options(arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(
        prog="python -m vestibule_session.serve",
        description="Runs an ASGI application in several processes, each on a port of its own.",
        epilog="What follows -- goes to uvicorn, such as: -- --log-level warning",
    )
    parser.add_argument("app", help="the application, such as main:app")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="default: 2")
    parser.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1")
    parser.add_argument("--port", type=int, default=8001, help="of the first; default: 8001")
    parser.add_argument(
        "--grace",
        type=int,
        default=30,
        metavar="SECONDS",
        help="for connections to finish when a worker stops; default: 30",
    )
    parser.add_argument("--advertise", metavar="HOST", help="host in ORIGINS; default: --host")
    parser.add_argument("--name", default="app", help="begins each origin's name; default: app")
    parser.add_argument("--gateway", metavar="FOLDER", help="checkout of Vestibule to start, too")
    parser.add_argument("--gateway-port", type=int, default=8787, metavar="PORT", help="its port")
    given = list(sys.argv[1:] if arguments is None else arguments)
    end = given.index("--") if "--" in given else len(given)
    parsed = parser.parse_args(given[:end])
    if parsed.workers < 1 or not 1 <= parsed.port <= 65_536 - parsed.workers:
        parser.error("--workers must be at least 1, and every port between 1 and 65535")
    return Options(
        app=parsed.app,
        workers=parsed.workers,
        host=parsed.host,
        port=parsed.port,
        grace=parsed.grace,
        advertise=parsed.advertise or _local(parsed.host),
        name=parsed.name,
        gateway=parsed.gateway,
        gateway_port=parsed.gateway_port,
        uvicorn=given[end + 1 :],
    )


def _local(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def _say(text: str) -> None:
    print(text, flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    sys.exit(asyncio.run(supervise(_options(arguments))))


if __name__ == "__main__":
    main()
