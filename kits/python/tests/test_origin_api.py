"""Calls of the session API and its errors. tests/kit runs it with the real Worker."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from servers import free_port, serving
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from vestibule_session import (
    Change,
    ChangeRefused,
    Conflict,
    DataOmitted,
    LeaseHeld,
    Misconfigured,
    NoSession,
    OriginApi,
    Session,
    State,
    Unavailable,
)
from vestibule_session.channel import Channel, ResponseChannel

NAME = "Vo3nJzXQ0cYF0yq5cJ1a2g.AAECAwQF"
RECORD = {
    "handle": NAME,
    "created": 1_700_000_000,
    "expires": 1_700_001_800,
    "user": "ada",
    "email": None,
    "name": "Ada",
    "groups": ["staff"],
    "groups_omitted": 0,
    "data": {"count": 4},
    "version": 2,
}


class Server:
    """Records what it is asked, and answers what it is given."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, Any, dict[str, str]]] = []
        self.answer: Response = JSONResponse(RECORD)

    async def __call__(self, request: Request) -> Response:
        body = await request.json() if await request.body() else None
        self.seen.append((request.method, request.url.path, body, dict(request.headers)))
        return self.answer


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def api(server: Server) -> Iterator[OriginApi]:
    methods = ["GET", "PATCH", "DELETE", "POST"]
    routes = [Route("/{path:path}", server.__call__, methods=methods)]
    with serving(Starlette(routes=routes)) as url:
        api = OriginApi(url, "the-key")
        yield api
        api.close()


SESSION = Session(id=NAME, tenant="acme", state=State.TAKEOVER, env={"MODEL": "small"})


def test_patch_returns_the_session_as_it_is_then(api: OriginApi, server: Server) -> None:
    session = api.change(SESSION, Change(patch={"count": 4}, ttl=600))
    ((method, path, body, headers),) = server.seen
    assert (method, path) == ("PATCH", f"/_session/api/sessions/{NAME}")
    assert body == {"patch": {"count": 4}, "ttl": 600}
    assert headers["authorization"] == "Bearer the-key"
    assert headers["if-match"] == "*"
    assert (session.user, session.groups, session.data) == ("ada", ("staff",), {"count": 4})
    assert (session.tenant, session.state) == ("acme", State.TAKEOVER)
    assert session.env == {"MODEL": "small"}


def test_async_and_sync_calls_are_the_same(api: OriginApi, server: Server) -> None:
    async def read() -> Session:
        session = await api.aread(NAME, SESSION)
        await api.aclose()
        return session

    sync = api.read(NAME, SESSION)
    for _ in range(2):  # Two event loops, one object.
        assert asyncio.run(read()) == sync
    assert [call[:3] for call in server.seen] == 3 * [server.seen[0][:3]]


def test_change_names_the_start_of_the_session(api: OriginApi, server: Server) -> None:
    begun = replace(SESSION, created=1_700_000_000)
    api.change(begun, Change(patch={"a": 1}))
    assert server.seen[-1][2] == {"patch": {"a": 1}, "begin": 1_700_000_000}


def test_destroy_is_a_delete(api: OriginApi, server: Server) -> None:
    server.answer = Response(status_code=204)
    assert api.change(SESSION, Change(destroy=True)) == SESSION
    assert server.seen[0][0] == "DELETE"


def test_lease_is_taken_used_and_released(api: OriginApi, server: Server) -> None:
    server.answer = JSONResponse({"token": 7, "until": 1_700_000_030})
    lease = api.lease(SESSION, seconds=30)
    assert (lease.token, server.seen[-1][2]) == (7, {"seconds": 30, "exclusive": True})
    server.answer = JSONResponse(RECORD)
    api.change(SESSION, Change(patch={"a": 1}), lease=lease.token)
    assert server.seen[-1][2] == {"patch": {"a": 1}, "lease": 7}
    server.answer = Response(status_code=204)
    api.release(SESSION, lease)
    method, path, body, _ = server.seen[-1]
    assert (method, body) == ("DELETE", {"token": 7})
    assert path.endswith("/lease")


@pytest.mark.parametrize(
    ("status", "code", "error", "advice"),
    [
        (401, "api_key", Misconfigured, "ORIGIN_KEY"),
        (404, "not_found", NoSession, "newer request"),
        (404, "not_recorded", NoSession, "CONSISTENCY=strong"),
        (404, "", Misconfigured, "VESTIBULE_URL"),
        (409, "leased", LeaseHeld, "leased"),
        (409, "needs_objects", Misconfigured, "CONSISTENCY=strong"),
        (409, "session_replaced", Conflict, "session_replaced"),
        (412, "version_changed", Conflict, "version_changed"),
        (413, "body_too_large", ChangeRefused, "body_too_large"),
        (422, "invalid", ChangeRefused, "why"),
        (503, "store_unavailable", Unavailable, "Try again"),
    ],
)
def test_error_says_what_to_do(
    api: OriginApi, server: Server, status: int, code: str, error: type[Exception], advice: str
) -> None:
    headers = {"retry-after": "12"}
    server.answer = JSONResponse({"code": code, "detail": "why"}, status, headers)
    with pytest.raises(error, match=advice) as raised:
        api.change(SESSION, Change(patch={}))
    assert raised.type is error
    if isinstance(raised.value, LeaseHeld):
        assert raised.value.retry_after == 12


def test_silence_is_told_from_a_refusal() -> None:
    api = OriginApi(f"http://127.0.0.1:{free_port()}", "the-key")
    with pytest.raises(Unavailable, match="VESTIBULE_URL"):
        api.read(NAME)
    with pytest.raises(Unavailable, match="VESTIBULE_URL"):
        asyncio.run(api.aread(NAME))


@pytest.mark.parametrize("url", ["", "chat.example", "ftp://chat.example", "https://"])
def test_address_must_be_a_url(url: str) -> None:
    with pytest.raises(Misconfigured, match="VESTIBULE_URL"):
        OriginApi(url, "the-key")


def test_call_that_would_block_the_event_loop_is_refused(api: OriginApi, server: Server) -> None:
    channel = Channel(api)
    channel.session = Session(id=NAME, channel=channel)

    async def in_async_code() -> Session:
        session = channel.session
        with pytest.raises(Misconfigured, match="apatch"):
            session.patch({"count": 4})
        assert server.seen == []
        session = await session.apatch({"count": 4})
        await api.aclose()
        return session

    assert asyncio.run(in_async_code()).data == {"count": 4}
    assert channel.session.data == {"count": 4}
    assert channel.session.refresh().data == {"count": 4}


def test_change_without_omitted_data_is_made_and_shows_all(api: OriginApi) -> None:
    channel = Channel(api)
    channel.session = Session(id=NAME, data_omitted=True, channel=channel)
    with pytest.raises(DataOmitted):
        channel.session.data.get("count")
    assert channel.session.patch({"count": 4}).data == {"count": 4}


def test_response_changes_omitted_data_without_reading_it(api: OriginApi, server: Server) -> None:
    channel = ResponseChannel(api)
    channel.session = replace(SESSION, user="ada", data_omitted=True, channel=channel)
    session = channel.session.patch({"count": 1}).identify("ada")
    assert session.data_omitted
    with pytest.raises(DataOmitted):
        session.data.get("count")
    assert session.refresh().data == {"count": 1}
    assert channel.session.patch({"more": 2}).data == {"count": 1, "more": 2}
    assert len(server.seen) == 1


def test_another_user_has_no_data_instead_of_omitted_data() -> None:
    channel = ResponseChannel(None)
    channel.session = replace(SESSION, user="ada", data_omitted=True, channel=channel)
    session = channel.session.identify("eve").patch({"count": 1})
    assert (session.data_omitted, session.data) == (False, {"count": 1})


def test_session_that_is_read_again_shows_the_changes_of_the_response(
    api: OriginApi, server: Server
) -> None:
    channel = ResponseChannel(api)
    channel.session = replace(SESSION, channel=channel)
    channel.session.patch({"count": 1})
    server.answer = JSONResponse({**RECORD, "data": {"count": 5, "other": 1}})
    assert channel.session.refresh().data == {"count": 1, "other": 1}

    async def again() -> Session:
        session = await channel.session.arefresh()
        await api.aclose()
        return session

    assert asyncio.run(again()).data == {"count": 1, "other": 1}
    assert channel.session.patch({"more": 2}).data == {"count": 1, "other": 1, "more": 2}
    assert channel.begin_response() == [(b"x-session-patch", b'{"count":1,"more":2}')]
