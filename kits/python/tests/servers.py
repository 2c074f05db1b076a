"""Real servers for tests, each on a free port of loopback."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import uvicorn

from vestibule_session.middleware import AsgiApp


def free_port() -> int:
    return free_ports(1)


def free_ports(count: int) -> int:
    """Returns the first of adjacent free ports, below those the system gives to connections."""
    while True:
        first = random.SystemRandom().randrange(20_000, 32_000)
        with ExitStack() as probes, suppress(OSError):
            for port in range(first, first + count):
                probe = probes.enter_context(socket.socket())
                probe.bind(("127.0.0.1", port))
            return first


@contextmanager
def serving(app: AsgiApp) -> Iterator[str]:
    """Serves an application with uvicorn; returns its address."""
    port = free_port()
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "uvicorn ended"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
