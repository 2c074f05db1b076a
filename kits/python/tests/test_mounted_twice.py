"""Middleware that is mounted twice, with one verifier or with two."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route
from test_middleware import ID, KEY, proof, tell

from vestibule_session import (
    PrivateNetwork,
    Proof,
    ProofVerifier,
    SessionMiddleware,
    current_session,
)
from vestibule_session.verification import shared_settings


async def ask(
    middleware: list[Middleware], path: str, headers: dict[str, str] | None = None
) -> httpx.Response:
    app = Starlette(routes=[Route("/{path:path}", tell)], middleware=middleware)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://origin") as client:
        return await client.get(path, headers=headers)


def proved(*open_paths: str) -> Middleware:
    verifier = Proof(ProofVerifier([KEY]))
    return Middleware(SessionMiddleware, verifier=verifier, open_paths=open_paths)


FORGED = {"x-session-id": ID, "x-session-user": "boss"}


def genuine(path: str) -> dict[str, str]:
    return {"x-session-id": ID, "x-session-proof": proof("GET", path)}


def test_second_stricter_middleware_does_not_believe_what_only_the_first_believes() -> None:
    plain = Middleware(SessionMiddleware, verifier=PrivateNetwork())
    both = [plain, proved("/healthz")]
    assert asyncio.run(ask(both, "/tell", FORGED)).status_code == 401
    assert asyncio.run(ask(both, "/healthz", FORGED)).json()["session"] is None
    assert asyncio.run(ask(both, "/tell", genuine("/tell"))).json()["session"] == ID


def test_open_path_of_the_first_middleware_is_not_open_for_the_second() -> None:
    both = [proved("*"), proved()]
    assert asyncio.run(ask(both, "/tell")).status_code == 401
    assert asyncio.run(ask(both, "/tell", genuine("/tell"))).json()["session"] == ID


def test_headers_that_the_first_middleware_removed_are_verified_by_the_second() -> None:
    both = [proved("*"), Middleware(SessionMiddleware, verifier=PrivateNetwork())]
    assert asyncio.run(ask(both, "/tell", FORGED)).json()["user"] == "boss"


class Counting(PrivateNetwork):
    asked = 0

    async def verify(self, request: Any) -> None:
        self.asked += 1


def test_changes_below_two_middlewares_are_combined_and_one_verifier_verifies_once() -> None:
    verifiers = [Counting(), Counting()]

    async def answer() -> httpx.Response:
        mounted = [
            Middleware(SessionMiddleware, verifier=verifiers[0]),
            Middleware(Adding, member="a"),
            Middleware(SessionMiddleware, verifier=verifiers[1]),
            Middleware(SessionMiddleware, verifier=verifiers[1]),
            Middleware(Adding, member="b"),
        ]
        return await ask(mounted, "/tell", {"x-session-id": ID})

    answered = asyncio.run(answer())
    assert answered.headers.get_list("x-session-patch") == ['{"a":1,"b":1}']
    assert [verifier.asked for verifier in verifiers] == [1, 1]


class Adding:
    def __init__(self, app: Any, member: str) -> None:
        self.app, self.member = app, member

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            current_session().patch({self.member: 1})
        await self.app(scope, receive, send)


def test_middleware_that_takes_its_settings_from_the_environment_shares_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VESTIBULE_VERIFY", "network")
    assert shared_settings() is shared_settings()
    monkeypatch.setenv("VESTIBULE_VERIFY", "proof")
    monkeypatch.setenv("VESTIBULE_ORIGIN_KEY", KEY)
    assert isinstance(shared_settings().verifier, Proof)
