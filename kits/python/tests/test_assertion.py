"""Assertions, with keys from a real server."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from servers import serving
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from vestibule_session import AssertionVerifier, MissingProof, Unavailable, Unverified
from vestibule_session.assertion import KeySet

KEY = ec.generate_private_key(ec.SECP256R1())
NEXT = ec.generate_private_key(ec.SECP256R1())
ID = "Vo3nJzXQ0cYF0yq5cJ1a2g"


class Publisher:
    """What a Vestibule host publishes, and how often it was asked."""

    def __init__(self) -> None:
        self.keys = {"k1": KEY}
        self.asked = 0
        self.status = 200

    def jwks(self, _: Request) -> JSONResponse:
        self.asked += 1
        keys = [
            {**json.loads(ECAlgorithm.to_jwk(key.public_key())), "kid": name, "alg": "ES256"}
            for name, key in self.keys.items()
        ]
        return JSONResponse({"keys": keys}, status_code=self.status)


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


@pytest.fixture
def url(publisher: Publisher) -> Iterator[str]:
    with serving(Starlette(routes=[Route("/_session/jwks.json", publisher.jwks)])) as url:
        yield url


def token(url: str, kid: str = "k1", **over: Any) -> str:
    now = int(time.time())
    key = over.pop("key", KEY)
    typ = over.pop("typ", "session+jwt")
    algorithm = over.pop("algorithm", "ES256")
    claims = {"iss": url, "aud": "acme", "sid": ID, "sub": "éva", "iat": now, "exp": now + 120}
    claims = {name: value for name, value in {**claims, **over}.items() if value is not None}
    return jwt.encode(claims, key, algorithm, {"kid": kid, "typ": typ})


def verify(
    verifier: AssertionVerifier, assertion: str | None, user: str = "%C3%A9va", sid: str = ID
) -> None:
    asyncio.run(verifier.verify_assertion(assertion, tenant="acme", session_id=sid, user=user))


def test_genuine_assertion_is_accepted(url: str) -> None:
    verifier = AssertionVerifier(url)
    verify(verifier, token(url))
    verify(verifier, token(url, sub=None), user="")


@pytest.mark.parametrize(
    "over",
    [
        {"key": NEXT},
        {"kid": "k9"},
        {"typ": "JWT"},
        {"aud": "other"},
        {"iss": "https://evil.example"},
        {"sid": "another"},
        {"sid": None},
        {"sub": "boss"},
        {"sub": None},
        {"exp": int(time.time()) - 60},
        {"exp": None},
        {"iat": int(time.time()) + 600},
        {"key": "a-shared-secret-of-at-least-32-characters", "algorithm": "HS256"},
    ],
)
def test_wrong_assertion_is_refused(url: str, over: dict[str, Any]) -> None:
    with pytest.raises(Unverified):
        verify(AssertionVerifier(url), token(url, **over))


@pytest.mark.parametrize("assertion", ["x", "a.b.c", "a.b", "…"])
def test_what_is_no_token_is_refused(url: str, assertion: str) -> None:
    with pytest.raises(Unverified):
        verify(AssertionVerifier(url), assertion)


def test_missing_assertion_is_told_from_a_wrong_one(url: str) -> None:
    with pytest.raises(MissingProof, match="ASSERTION=true"):
        verify(AssertionVerifier(url), None)


def test_token_of_a_guest_does_not_serve_a_user(url: str) -> None:
    with pytest.raises(Unverified, match="another session or user"):
        verify(AssertionVerifier(url), token(url, sub=None), user="boss")


def test_keys_are_fetched_seldom(url: str, publisher: Publisher) -> None:
    now = 0.0
    keys = KeySet(f"{url}/_session/jwks.json", clock=lambda: now)

    async def find(name: str) -> Any:
        return await keys.find(name)

    async def many() -> None:
        await asyncio.gather(*(find("k1") for _ in range(20)))

    asyncio.run(many())
    assert publisher.asked == 1
    now = 29.0
    for _ in range(3):
        with pytest.raises(Unverified, match="does not publish"):
            asyncio.run(find("k2"))
    assert publisher.asked == 1, "unknown keys do not cause more than one request in 30 seconds"
    publisher.keys = {"k2": NEXT, "k1": KEY}
    now = 31.0
    asyncio.run(find("k2"))
    assert publisher.asked == 2
    now = 330.0
    asyncio.run(find("k1"))
    assert publisher.asked == 2
    now = 332.0
    asyncio.run(find("k1"))
    assert publisher.asked == 3


def test_known_keys_survive_an_outage_of_a_day(url: str, publisher: Publisher) -> None:
    now = 0.0
    keys = KeySet(f"{url}/_session/jwks.json", clock=lambda: now)
    asyncio.run(keys.find("k1"))
    publisher.status = 503
    now = 86_400.0
    asyncio.run(keys.find("k1"))
    now = 86_500.0
    with pytest.raises(Unavailable, match="VESTIBULE_URL"):
        asyncio.run(keys.find("k1"))
