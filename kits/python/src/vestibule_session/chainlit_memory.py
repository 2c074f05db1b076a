"""Keeps `cl.user_session` in Vestibule's session, so that it survives its process.

What is kept, and what is put back, is what Chainlit itself hands to a data layer when a
conversation ends and takes from it when a thread resumes: values that can be written as JSON.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from .chainlit_connection import at_connection
from .channel import Channel
from .errors import SessionError
from .session import Session

MEMBER = "chainlit_user_session"
"""The member of the session's data with the values of conversations, by Chainlit's ids."""

_CONVERSATIONS = 8
"""Most conversations of one browser that are kept, such as its tabs: those used last."""

_FROM_CONNECTION = ("id", "env", "user", "client_type")
"""Members of `cl.user_session` that Chainlit sets itself at each connection."""

Entry = tuple[float, dict[str, Any]]
"""When a conversation was saved, in Unix seconds, and its values."""

Emit = Callable[[str, Any], Awaitable[Any]]

_log = logging.getLogger("vestibule_session")

_written: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
"""What was written last, as JSON, by Chainlit's session."""


def keep_user_sessions() -> None:
    """Saves `cl.user_session` at the end of each answer, and restores it in another process."""
    at_connection(_keep)


async def _keep(session: Any, channel: Channel) -> None:
    try:
        await _restore(session, channel)
    except SessionError as error:
        _log.warning("cl.user_session is not restored: %s", error)
    session.emit = _saving_first(session.emit, session, channel)


def _saving_first(emit: Emit, session: Any, channel: Channel) -> Emit:
    """Saves before the page learns that the answer is complete."""

    async def emit_after_save(event: str, data: Any) -> Any:
        if event == "task_end":
            try:
                await _save(session, channel)
            except SessionError as error:
                _log.warning("cl.user_session is not kept: %s", error)
        return await emit(event, data)

    return emit_after_save


async def _restore(session: Any, channel: Channel) -> None:
    from chainlit.user_session import user_sessions

    if session.id in user_sessions and not channel.session.is_taken_over:
        return
    if session.id not in (entries := entries_of(await _read(channel))):
        return
    _, values = entries[session.id]
    _written[session] = _as_text(values)
    user_sessions[session.id] = dict(values)
    session.chat_settings = values.get("chat_settings", session.chat_settings)
    session.chat_profile = values.get("chat_profile", session.chat_profile)


async def _save(session: Any, channel: Channel) -> None:
    values = {
        name: value
        for name, value in session.to_persistable().items()
        if name not in _FROM_CONNECTION and value not in (None, {})
    }
    text = _as_text(values)
    if text == _written.get(session, "{}"):
        return
    known = await _read(channel)
    await known.apatch({MEMBER: patch_with(entries_of(known), session.id, values, time.time())})
    _written[session] = text


async def _read(channel: Channel) -> Session:
    """Returns the session with its data, which the connection may not have been able to read."""
    known = channel.session
    return await known.arefresh() if known.data_omitted else known


def _as_text(values: dict[str, Any]) -> str:
    return json.dumps(values, sort_keys=True)


def entries_of(session: Session) -> dict[str, Entry]:
    """Returns what is kept of each conversation. Skips what this module did not write."""
    entries = session.data.get(MEMBER)
    if not isinstance(entries, Mapping):
        return {}
    return {
        name: (at, values)
        for name, entry in entries.items()
        if isinstance(entry, list) and len(entry) == 2
        for at, values in [entry]
        if isinstance(at, (int, float)) and isinstance(values, dict)
    }


def patch_with(
    entries: Mapping[str, Entry], conversation: str, values: dict[str, Any], now: float
) -> dict[str, Any]:
    """Returns the patch that keeps a conversation's values, and forgets those used longest ago."""
    others = [name for name in entries if name != conversation]
    others.sort(key=lambda name: entries[name][0], reverse=True)
    forgotten = dict.fromkeys(others[_CONVERSATIONS - 1 :])
    # An array, because a merge replaces it as a whole.
    return {**forgotten, conversation: [now, values]}
