"""`X-Session-Assertion`: verifies the JWT that says who is speaking (docs/reference/headers.md).

The assertion covers tenant, session and user, not the request and not the session's data. It needs
no shared secret: the keys come from `/_session/jwks.json`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from typing import Any
from urllib.parse import unquote

import httpx

from .errors import Misconfigured, MissingProof, Unavailable, Unverified

HEADER = "x-session-assertion"

_TYPE = "session+jwt"
_ALGORITHM = "ES256"

_MAX_AGE = 300.0
"""Seconds for which published keys are used without asking again."""

_PAUSE = 30.0
"""Least seconds between two requests for keys, however many tokens name an unknown one."""

_STALE = 86_400.0
"""Seconds for which known keys are used while new ones cannot be had."""


class KeySet:
    """The public keys of one Vestibule host, fetched when needed and not more often."""

    def __init__(self, url: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._clock = clock
        self._keys: dict[str, Any] = {}
        self._fetched: float | None = None
        self._asked: float | None = None
        self._lock = asyncio.Lock()

    async def find(self, key_id: str) -> Any:
        """Returns the key of that name. Raises `Unverified` if Vestibule publishes no such key."""
        if self._is_due(key_id):
            async with self._lock:
                if self._is_due(key_id):
                    await self._fetch()
        if self._fetched is None or self._clock() - self._fetched > _STALE:
            raise Unavailable(f"The keys at {self._url} cannot be read. Check VESTIBULE_URL.")
        key = self._keys.get(key_id)
        if key is None:
            raise Unverified(
                f"X-Session-Assertion names the key {key_id}, which {self._url} does not publish."
            )
        return key

    def _is_due(self, key_id: str) -> bool:
        if self._asked is not None and self._clock() - self._asked < _PAUSE:
            return False
        is_fresh = self._fetched is not None and self._clock() - self._fetched < _MAX_AGE
        return not is_fresh or key_id not in self._keys

    async def _fetch(self) -> None:
        from jwt import PyJWK
        from jwt.exceptions import PyJWKError

        try:
            async with httpx.AsyncClient(timeout=5.0) as client:
                answer = (await client.get(self._url)).raise_for_status()
            published = answer.json()["keys"]
            keys = {key["kid"]: PyJWK(key, _ALGORITHM).key for key in published}
        except (httpx.HTTPError, ValueError, KeyError, TypeError, PyJWKError):
            return
        finally:
            self._asked = self._clock()
        self._keys, self._fetched = keys, self._clock()


class AssertionVerifier:
    """Verifies assertions with the keys that Vestibule publishes.

    `issuers` are the addresses of your site as browsers see them, such as `https://chat.example`;
    by default the one that the keys come from.
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
        self._issuers = list(issuers) or [url.rstrip("/")]
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
