"""Vestibule's session in a Streamlit script.

Streamlit has no place for middleware, so the script itself verifies its connection's handshake.
Call `current_session` first, and show nothing when it raises.
"""

from __future__ import annotations

import asyncio

import streamlit as st

from .channel import Channel
from .errors import NoSession, Unverified
from .session import PREFIX, Session, parse_session
from .verification import Request, Settings, shared_settings

_KEY = "vestibule_session"
_STREAM = "/_stcore/stream"


def current_session(settings: Settings | None = None) -> Session:
    """Returns the session of this browser's connection. Verifies it once for each connection.

    Raises `Unverified` if the connection did not come through Vestibule. Changes go through the
    session API. Without `settings` they come from the environment: see `Settings.from_env`.
    """
    headers = _session_headers()
    known = st.session_state.get(_KEY)
    if known is None or known[0] != headers:
        settings = settings or shared_settings()
        base = str(st.get_option("server.baseUrlPath") or "").strip("/")
        path = f"/{base}{_STREAM}" if base else _STREAM
        asyncio.run(settings.verifier.verify(Request("GET", path, headers)))
        channel = Channel(settings.api)
        channel.session = parse_session(headers, channel)
        known = st.session_state[_KEY] = (headers, channel)
    session: Session = known[1].session
    return session


def _session_headers() -> dict[str, str]:
    received = st.context.headers
    if not received:
        raise NoSession("No browser is connected: the script runs outside of `streamlit run`.")
    headers: dict[str, str] = {}
    for name in {name.lower() for name in received}:
        if name.startswith(PREFIX):
            values = received.get_all(name)
            if len(values) != 1:
                raise Unverified(f"The connection has two headers {name}; Vestibule sends one.")
            headers[name] = values[0]
    return headers
