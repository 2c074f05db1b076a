"""What a worker does before it closes its connections, such as finishing answers under way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

Drain = Callable[[], Awaitable[None]]

_drains: list[Drain] = []


def before_close(drain: Drain) -> None:
    """Lets a worker of `vestibule_session.worker` await this before it closes its sockets.

    It has the worker's grace for that, and is cancelled then.
    """
    if drain not in _drains:
        _drains.append(drain)


async def drain(seconds: float) -> bool:
    """Runs what `before_close` registered, all at once. Returns whether it ended in time."""
    tasks = [asyncio.ensure_future(one()) for one in _drains]
    if not tasks:
        return True
    done, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    for task in done:
        task.result()
    return not late
