"""ASGI middleware: believes Vestibule's requests only, and carries changes back."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from .channel import Channel, ResponseChannel, set_current_channel
from .errors import Unavailable, Unverified
from .origin_api import OriginApi
from .session import PREFIX, parse_session
from .verification import Request, Verifier, shared_settings

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

SCOPE_KEY = "vestibule.channel"
"""Where a request's scope has the channel of its session."""

_KNOWN = "vestibule.known"


@dataclass
class _Known:
    """What is known of a request, for all middleware on its way."""

    headers: list[tuple[bytes, bytes]]
    """As received: those of a session that is not believed are removed from the request."""
    verified_by: Verifier | None = None
    """Who verified it last."""
    channel: Channel | None = None
    """Of all who verified it, so that their changes are combined."""


class SessionMiddleware:
    """Verifies each HTTP request and WebSocket, and makes its session known to `current_session()`.

    What does not come from Vestibule gets 401 (no proof) or 403 (a wrong one); a WebSocket is
    refused before it is accepted. Requests for `open_paths` pass without a proof, and without a
    session then; a path that ends in `*` means all that begin so. A health check needs one.

    Without arguments, the settings come from the environment: see `Settings.from_env`.
    """

    def __init__(
        self,
        app: AsgiApp,
        *,
        verifier: Verifier | None = None,
        api: OriginApi | None = None,
        open_paths: Collection[str] = (),
    ) -> None:
        self._app = app
        if verifier is None:
            settings = shared_settings()
            verifier, api = settings.verifier, api or settings.api
        self._verifier = verifier
        self._api = api
        self._exact = {path for path in open_paths if not path.endswith("*")}
        self._prefixes = tuple(path[:-1] for path in open_paths if path.endswith("*"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        known: _Known = scope.setdefault(_KNOWN, _Known(list(scope["headers"])))
        if known.verified_by is self._verifier:
            return await self._app(scope, receive, send)
        known.verified_by = None
        before = known.channel
        try:
            request = request_of(scope, known.headers)
            await self._verifier.verify(request)
            channel = known.channel = before or self._channel(scope, request)
            known.verified_by = self._verifier
        except (Unverified, Unavailable) as error:
            if not self._is_open(scope["path"]):
                status = error.status if isinstance(error, Unverified) else 503
                return await _refuse(scope, receive, send, status, str(error))
            scope["headers"] = _without_session(scope["headers"])
            channel = self._channel(scope, None)
        scope[SCOPE_KEY] = channel
        set_current_channel(channel)
        if channel is before or not isinstance(channel, ResponseChannel):
            return await self._app(scope, receive, send)

        async def send_with_changes(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *channel.begin_response()]
            await send(message)

        await self._app(scope, receive, send_with_changes)

    def _channel(self, scope: Scope, verified: Request | None) -> Channel:
        channel = ResponseChannel(self._api) if scope["type"] == "http" else Channel(self._api)
        # Without X-Session-Id it was forwarded without a session: `current_session()` says so.
        if verified is not None and "x-session-id" in verified.headers:
            channel.session = parse_session(verified.headers, channel)
        return channel

    def _is_open(self, path: str) -> bool:
        return path in self._exact or path.startswith(self._prefixes)


def request_of(scope: Scope, received: Collection[tuple[bytes, bytes]]) -> Request:
    """Returns what has to be verified of a request that was received with these headers."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in received:
        name = raw_name.decode("latin-1").lower()
        if not name.startswith(PREFIX):
            continue
        if name in headers:
            raise Unverified(f"The request has two headers {name}; Vestibule sends one.")
        headers[name] = raw_value.decode("latin-1")
    raw_path = scope.get("raw_path")
    path = raw_path.decode("latin-1") if raw_path else quote(scope["path"])
    return Request(scope.get("method", "GET"), path.partition("?")[0], headers)


def _without_session(headers: Collection[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Takes out what could pass for one of Vestibule's headers, in any spelling."""
    prefix = PREFIX.encode()
    return [
        (name, value)
        for name, value in headers
        if not re.sub(rb"[^a-z0-9]+", b"-", name.lower()).startswith(prefix)
    ]


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, text: str) -> None:
    kind = "http.response"
    if scope["type"] == "websocket":
        await receive()
        if "websocket.http.response" not in scope.get("extensions", {}):
            return await send({"type": "websocket.close", "code": 1008, "reason": text[:120]})
        kind = "websocket.http.response"
    body = f"{text}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": f"{kind}.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})
