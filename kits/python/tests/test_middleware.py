"""The middleware, behind a real server."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import pytest
from servers import serving
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from vestibule_session import (
    Misconfigured,
    NeedsResponse,
    NoSession,
    PrivateNetwork,
    Proof,
    ProofVerifier,
    SessionMiddleware,
    current_session,
)
from vestibule_session.proof import Proved, key_id, signed_text

KEY = "an-origin-key-of-32-characters!!"
ID = "Vo3nJzXQ0cYF0yq5cJ1a2g"


def proof(method: str, path: str, user: str = "", at: float | None = None) -> str:
    now = str(int(time.time() if at is None else at))
    text = signed_text(Proved(method, path, ID, user), now)
    mac = urlsafe_b64encode(hmac.digest(KEY.encode(), text, hashlib.sha256)).rstrip(b"=")
    return f"v1;t={now};k={key_id(KEY)};mac={mac.decode()}"


def who() -> dict[str, Any]:
    try:
        session = current_session()
    except NoSession:
        return {"session": None}
    return {"session": session.id, "user": session.user, "data": dict(session.data)}


async def tell(request: Request) -> JSONResponse:
    return JSONResponse({**who(), "headers": sorted(request.headers)})


def tell_in_a_thread(_: Request) -> JSONResponse:
    current_session().patch({"thread": True})
    return JSONResponse(who())


async def change(_: Request) -> JSONResponse:
    session = current_session()
    session.patch({"count": 1})
    session.identify("ada", name="王芳").ttl(600)
    await session.apatch({"more": {"b": None}})
    session.rotate()
    return JSONResponse(who())


async def change_late(_: Request) -> PlainTextResponse:
    session = current_session()
    faults: list[str] = []

    class Late(PlainTextResponse):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            start = {"type": "http.response.start", "status": 200, "headers": []}
            await send(start)
            late = [partial(session.identify, "ada"), partial(session.patch, {})]
            for attempt in late:
                try:
                    attempt()
                except (NeedsResponse, Misconfigured) as error:
                    faults.append(type(error).__name__)
            await send({"type": "http.response.body", "body": json.dumps(faults).encode()})

    return Late()


async def talk(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_json(who())
    await socket.close()


ROUTES = [
    Route("/tell", tell),
    Route("/files/{name:path}", tell),
    Route("/healthz", tell),
    Route("/thread", tell_in_a_thread),
    Route("/change", change),
    Route("/late", change_late),
    WebSocketRoute("/socket", talk),
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    verifier = Proof(ProofVerifier([KEY]))
    middleware = Middleware(SessionMiddleware, verifier=verifier, open_paths=["/healthz"])
    with serving(Starlette(routes=ROUTES, middleware=[middleware])) as url:
        yield url


def get(url: str, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
    return httpx.get(f"{url}{path}", headers={"x-session-id": ID, **(headers or {})})


def test_proved_request_has_its_session(url: str) -> None:
    headers = {"x-session-proof": proof("GET", "/tell", "%C3%A9va"), "x-session-user": "%C3%A9va"}
    answer = get(url, "/tell?room=1", {**headers, "x-session-data": '{"a":1}'})
    assert answer.json()["user"] == "éva"
    assert answer.json()["data"] == {"a": 1}


def test_path_is_verified_as_it_was_sent(url: str) -> None:
    path = "/files/a%20b%2Fc%c3%a9"
    assert get(url, path, {"x-session-proof": proof("GET", path)}).status_code == 200


def test_request_without_a_proof_is_refused(url: str) -> None:
    answer = get(url, "/tell", {"x-session-user": "boss"})
    assert answer.status_code == 401
    assert "no X-Session-Proof" in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"x-session-proof": proof("POST", "/tell")},
        {"x-session-proof": proof("GET", "/tell"), "x-session-user": "boss"},
        {"x-session-proof": "v1;forged"},
        {"x-session-proof": proof("GET", "/tell", at=time.time() - 3600)},
    ],
)
def test_wrong_proof_is_refused(url: str, headers: dict[str, str]) -> None:
    assert get(url, "/tell", headers).status_code == 403


def test_header_that_occurs_twice_is_refused(url: str) -> None:
    headers = [("x-session-id", ID), ("x-session-proof", proof("GET", "/tell"))]
    twice = [*headers, ("X-Session-Id", "another")]
    assert httpx.get(f"{url}/tell", headers=twice).status_code == 403


def test_open_path_needs_no_proof_and_has_no_session(url: str) -> None:
    forged = {"x-session-user": "boss", "x_session_user": "boss", "x.session.data": "{}"}
    answer = get(url, "/healthz", forged).json()
    assert answer["session"] is None
    assert not [name for name in answer["headers"] if "session" in name]


def test_changes_become_headers_of_one_response(url: str) -> None:
    answer = get(url, "/change", {"x-session-proof": proof("GET", "/change")})
    assert answer.headers["x-session-patch"] == '{"count":1,"more":{"b":null}}'
    assert json.loads(answer.headers["x-session-identify"]) == {"user": "ada", "name": "王芳"}
    assert answer.headers["x-session-ttl"] == "600"
    assert answer.headers["x-session-rotate"] == "1"
    assert answer.json() == {"session": ID, "user": "ada", "data": {"count": 1, "more": {}}}


def test_changes_in_a_thread_become_headers(url: str) -> None:
    answer = get(url, "/thread", {"x-session-proof": proof("GET", "/thread")})
    assert answer.headers["x-session-patch"] == '{"thread":true}'
    assert answer.json()["data"] == {"thread": True}


def test_change_after_the_response_began_is_told_so(url: str) -> None:
    answer = get(url, "/late", {"x-session-proof": proof("GET", "/late")})
    assert answer.json() == ["NeedsResponse", "Misconfigured"]
    assert "x-session-identify" not in answer.headers


def test_websocket_is_refused_before_it_is_accepted(url: str) -> None:
    address = url.replace("http", "ws") + "/socket"
    with pytest.raises(InvalidStatus) as refused, connect(address):
        pass
    assert refused.value.response.status_code == 401
    headers = {"x-session-id": ID, "x-session-proof": proof("GET", "/socket")}
    with connect(address, additional_headers=headers) as socket:
        assert json.loads(socket.recv())["session"] == ID


def test_sessions_of_simultaneous_requests_are_kept_apart() -> None:
    both = asyncio.Event()
    waiting: list[str] = []

    async def wait(request: Request) -> JSONResponse:
        before = current_session().id
        waiting.append(before)
        if len(waiting) == 2:
            both.set()
        await asyncio.wait_for(both.wait(), 10)
        return JSONResponse([before, current_session().id])

    async def ask() -> None:
        middleware = Middleware(SessionMiddleware, verifier=PrivateNetwork())
        app = Starlette(routes=[Route("/", wait)], middleware=[middleware])
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://origin") as client:
            one = client.get("/", headers={"x-session-id": "one"})
            two = client.get("/", headers={"x-session-id": "two"})
            answers = [answer.json() for answer in await asyncio.gather(one, two)]
        assert answers == [["one", "one"], ["two", "two"]]

    asyncio.run(ask())


def test_verification_must_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VESTIBULE_VERIFY", raising=False)
    with pytest.raises(Misconfigured, match="VESTIBULE_VERIFY"):
        SessionMiddleware(Starlette())
