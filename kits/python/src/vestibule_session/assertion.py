"""`X-Session-Assertion`: verifies the JWT that says who is speaking (docs/reference/headers.md).

The assertion covers tenant, session and user, not the request and not the session's data. It needs
no shared secret: the keys come from `/_session/jwks.json`.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future
from threading import Lock, Thread
from typing import Any
from urllib.parse import unquote

import httpx

from .errors import Misconfigured, MissingProof, Unavailable, Unverified
from .site import site_of

HEADER = "x-session-assertion"

_TYPE = "session+jwt"
_ALGORITHM = "ES256"

_MAX_AGE = 300.0
"""Seconds after which published keys are read again, in the background."""

_PAUSE = 30.0
"""Least seconds between two requests for keys, however many tokens name an unknown one."""

_PAUSE_WITHOUT_KEYS = 2.0
"""The same while no keys are known, so that nothing is accepted."""

_STALE = 86_400.0
"""Seconds for which known keys are used while new ones cannot be had."""


class KeySet:
    """The public keys of one Vestibule host, fetched when needed and not more often.

    One object serves all threads and event loops: a thread of its own fetches.
    """

    def __init__(self, url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._clock = clock
        self._keys: dict[str, Any] = {}
        self._fetched = -math.inf
        self._asked = -math.inf
        self._asking: Future[None] | None = None
        self._lock = Lock()

    async def find(self, key_id: str) -> Any:
        """Returns the key of that name. Raises `Unverified` if Vestibule publishes no such key."""
        asking = self._ask_if_due(key_id)
        if asking is not None and (self._is_stale() or key_id not in self._keys):
            await asyncio.wrap_future(asking)
        if self._is_stale():
            raise Unavailable(f"The keys at {self._url} cannot be read. Check VESTIBULE_URL.")
        key = self._keys.get(key_id)
        if key is None:
            raise Unverified(
                f"X-Session-Assertion names the key {key_id}, which {self._url} does not publish."
            )
        return key

    def _is_stale(self) -> bool:
        return self._clock() - self._fetched > _STALE

    def _ask_if_due(self, key_id: str) -> Future[None] | None:
        with self._lock:
            now = self._clock()
            if now - self._fetched < _MAX_AGE and key_id in self._keys:
                return None
            if self._asking is None:
                if now - self._asked < (_PAUSE_WITHOUT_KEYS if self._is_stale() else _PAUSE):
                    return None
                self._asking = Future()
                # Nobody who stops waiting cancels it for the others.
                self._asking.set_running_or_notify_cancel()
                Thread(target=self._ask, args=(self._asking,), daemon=True).start()
            return self._asking

    def _ask(self, asking: Future[None]) -> None:
        try:
            self._fetch()
        finally:
            with self._lock:
                self._asked = self._clock()
                self._asking = None
            asking.set_result(None)

    def _fetch(self) -> None:
        """Reads the keys; keeps those that it has if that fails."""
        try:
            published = httpx.get(self._url, timeout=5.0).raise_for_status().json()["keys"]
            keys = dict(filter(None, map(_imported, published)))
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return
        self._keys, self._fetched = keys, self._clock()


def _imported(published: Any) -> tuple[str, Any] | None:
    """Imports a key. One that cannot be, such as of another kind, leaves the others useful."""
    from jwt import PyJWK
    from jwt.exceptions import PyJWTError

    try:
        return published["kid"], PyJWK(published, _ALGORITHM).key
    except (PyJWTError, ValueError, KeyError, TypeError, AttributeError):
        return None


class AssertionVerifier:
    """Verifies assertions with the keys that Vestibule publishes.

    `issuers` are the origins of your site as browsers see them, such as `https://chat.example`;
    by default that of the address that the keys come from.
    """

    def __init__(
        self,
        url: str,
        *,
        issuers: Collection[str] = (),
        prefix: str = "/_session",
        leeway: float = 10.0,
    ) -> None:
        try:
            import jwt
        except ImportError as error:
            raise Misconfigured(
                "Verifying assertions needs PyJWT: pip install 'vestibule-session[assertion]'."
            ) from error
        self._jwt = jwt
        self._keys = KeySet(f"{url.rstrip('/')}{prefix}/jwks.json")
        self._issuers = list(issuers) or [site_of(url)]
        self._leeway = leeway

    async def verify_assertion(
        self, assertion: str | None, *, tenant: str, session_id: str, user: str
    ) -> None:
        """Raises `Unverified` unless the assertion is genuine and is of these headers' values."""
        if not assertion:
            raise MissingProof(
                "The request has no X-Session-Assertion. Send it through Vestibule; "
                "there, ASSERTION=true makes it add the header."
            )
        jwt = self._jwt
        try:
            header = jwt.get_unverified_header(assertion)
            if header.get("typ") != _TYPE:
                raise Unverified(f"X-Session-Assertion is no token of the type {_TYPE}.")
            key = await self._keys.find(str(header.get("kid")))
            claims = jwt.decode(
                assertion,
                key,
                algorithms=[_ALGORITHM],
                audience=tenant,
                issuer=self._issuers,
                leeway=self._leeway,
                options={"require": ["aud", "exp", "iat", "iss", "sid"]},
            )
        except jwt.InvalidTokenError as error:
            raise Unverified(f"X-Session-Assertion is not valid: {error}.") from error
        if claims["sid"] != session_id or claims.get("sub", "") != unquote(user):
            raise Unverified(
                "X-Session-Assertion is of another session or user than X-Session-Id and "
                "X-Session-User name."
            )
