"""Assertions, with keys from a real server."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from threading import Event, Thread
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

from vestibule_session import (
    AssertionVerifier,
    Misconfigured,
    MissingProof,
    Unavailable,
    Unverified,
)
from vestibule_session.assertion import KeySet
from vestibule_session.site import site_of

KEY = ec.generate_private_key(ec.SECP256R1())
NEXT = ec.generate_private_key(ec.SECP256R1())
ID = "Vo3nJzXQ0cYF0yq5cJ1a2g"


class Publisher:
    """What a Vestibule host publishes, and how often it was asked."""

    def __init__(self) -> None:
        self.keys = {"k1": KEY}
        self.asked = 0
        self.status = 200
        self.others: list[Any] = []
        self.answers = Event()
        self.answers.set()

    def jwks(self, _: Request) -> JSONResponse:
        self.asked += 1
        self.answers.wait(10)
        keys = [
            {**json.loads(ECAlgorithm.to_jwk(key.public_key())), "kid": name, "alg": "ES256"}
            for name, key in self.keys.items()
        ]
        return JSONResponse({"keys": [*self.others, *keys]}, status_code=self.status)


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


@pytest.fixture
def url(publisher: Publisher) -> Iterator[str]:
    with serving(
        Starlette(routes=[Route("/{below:path}_session/jwks.json", publisher.jwks)])
    ) as url:
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


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


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
    until(lambda: publisher.asked == 3)


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


def test_path_of_a_tenant_is_no_part_of_the_issuer(url: str) -> None:
    verify(AssertionVerifier(f"{url}/acme"), token(url))
    verify(AssertionVerifier(f"{url.replace('http:', 'HTTP:')}/acme/"), token(url))
    with pytest.raises(Unverified):
        verify(AssertionVerifier(f"{url}/acme"), token(f"{url}/acme"))


def test_issuer_is_written_as_browsers_do() -> None:
    assert site_of("https://Chat.Example:443/acme/") == "https://chat.example"
    assert site_of("http://user:secret@[::1]:8787") == "http://[::1]:8787"
    assert site_of("https://straße.example") == "https://xn--strae-oqa.example"
    for url in ("chat.example", "chat.example:443", "", "https://", "https://chat.example:x"):
        with pytest.raises(Misconfigured, match="VESTIBULE_URL"):
            AssertionVerifier(url)


def test_first_request_for_keys_that_fails_is_made_again_after_two_seconds(
    url: str, publisher: Publisher
) -> None:
    now = 0.0
    keys = KeySet(f"{url}/_session/jwks.json", clock=lambda: now)
    publisher.status = 503
    with pytest.raises(Unavailable):
        asyncio.run(keys.find("k1"))
    now = 1.0
    with pytest.raises(Unavailable):
        asyncio.run(keys.find("k1"))
    assert publisher.asked == 1
    publisher.status = 200
    now = 2.0
    asyncio.run(keys.find("k1"))


def test_known_key_does_not_wait_for_a_slow_answer(url: str, publisher: Publisher) -> None:
    now = 0.0
    keys = KeySet(f"{url}/_session/jwks.json", clock=lambda: now)
    asyncio.run(keys.find("k1"))
    publisher.keys = {"k2": NEXT}
    publisher.answers.clear()
    now = 300.0
    asyncio.run(keys.find("k1"))
    asyncio.run(keys.find("k1"))
    until(lambda: publisher.asked == 2)
    # In an event loop of its own, such as that of another script of Streamlit.
    waiting = Thread(target=lambda: asyncio.run(keys.find("k2")))
    waiting.start()
    asyncio.run(keys.find("k1"))
    publisher.answers.set()
    waiting.join(10)
    with pytest.raises(Unverified, match="does not publish"):
        asyncio.run(keys.find("k1"))
    assert publisher.asked == 2


def test_key_that_cannot_be_imported_leaves_the_others_useful(
    url: str, publisher: Publisher
) -> None:
    publisher.others = [{"kid": "k0", "kty": "OKP", "crv": "Ed999", "x": "AA"}, None]
    keys = KeySet(f"{url}/_session/jwks.json")
    asyncio.run(keys.find("k1"))
    with pytest.raises(Unverified):
        asyncio.run(keys.find("k0"))
