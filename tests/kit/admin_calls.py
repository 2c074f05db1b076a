"""Calls of the kit's client of the admin API. `tests/kit/admin-python.test.mjs` runs one by its name."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import pytest

from vestibule_session import Misconfigured, Unavailable
from vestibule_session.admin import (
    AdminApi,
    Invalid,
    NotAllowed,
    NotFound,
    Refused,
    StateConflict,
)

URL, TOKEN, TENANT, TENANT_TOKEN, OTHER = sys.argv[2:7]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.05)


def users(admin: AdminApi) -> None:
    admin.put_user(
        "eve@acme.example", {"password": "difference engine", "email": "eve@acme.example"}
    )
    admin.put_user("eve@acme.example", {"email": None, "groups": ["staff"]})
    account = admin.get_user("eve@acme.example")
    assert account["user"] == "eve@acme.example"
    assert account["groups"] == ["staff"]
    assert "email" not in account
    assert "eve@acme.example" in admin.list_users()
    admin.delete_user("eve@acme.example")
    with pytest.raises(NotFound):
        admin.get_user("eve@acme.example")


def sessions(admin: AdminApi) -> None:
    until(lambda: len(list(admin.sessions(user="ada"))) == 1)
    handle = next(admin.sessions(user="ada"))["handle"]
    details = admin.view_session(handle)
    assert details["user"] == "ada"
    assert details["data"]["n"] == 1
    assert details["redacted"] == ["api_key"]
    explained = admin.explain(handle=handle, path="/")
    assert explained["outcome"]["does"] == "forward"
    assert admin.list_sessions(user="ada", limit=1)["next"] is None
    admin.end_session(handle)
    with pytest.raises(NotFound):
        admin.view_session(handle)
    admin.end_sessions_of("ada")
    admin.end_all_sessions()


def origins(admin: AdminApi) -> None:
    admin.drain_origin("chat")
    until(lambda: admin.list_origins()[0]["state"] == "drain")
    admin.undrain_origin("chat")
    until(lambda: admin.list_origins()[0]["state"] == "active")
    with pytest.raises(NotFound):
        admin.drain_origin("none")


def telemetry(admin: AdminApi) -> None:
    admin.undrain_origin("chat")
    assert "# HELP vestibule_" in admin.metrics()
    assert admin.overview()["scope"] == "deployment"
    until(lambda: bool(admin.logs(level="info")["lines"]))
    with pytest.raises(Invalid):
        admin.explain(url="nowhere")


def tenants(admin: AdminApi) -> None:
    document = {"id": "o", "hosts": ["o.example"], "origins": [{"url": "http://10.0.0.1"}]}
    assert admin.validate_tenant(document) == []
    assert admin.validate_tenant({**document, "hosts": ["no host"]})[0]["path"] == "hosts[0]"
    etag = admin.put_tenant("o", document)
    assert admin.get_tenant("o") == (document, etag)
    assert sorted(admin.list_tenants()) == sorted([TENANT, "o"])
    admin.put_tenant("o", {**document, "login": {"mode": "optional"}}, if_match=etag)
    with pytest.raises(StateConflict):
        admin.put_tenant("o", document, if_match=etag)
    versions = admin.list_versions("o")
    assert [one["current"] for one in versions] == [True, False]
    assert admin.get_version("o", versions[1]["version"]) == document
    admin.delete_tenant("o")
    with pytest.raises(NotFound):
        admin.get_tenant("o")


def errors(admin: AdminApi) -> None:
    with AdminApi(URL, TENANT_TOKEN) as own:
        assert own.who_am_i()["scope"] == "tenant"
        with pytest.raises(NotAllowed):
            own.list_tenants()
    with AdminApi(URL, "another token of operators") as wrong, pytest.raises(Refused) as caught:
        wrong.list_users()
    assert "another token" not in str(caught.value)
    with AdminApi(OTHER, TOKEN) as elsewhere, pytest.raises(Misconfigured):
        elsewhere.list_users()
    with AdminApi("http://127.0.0.1:9", TOKEN) as silent, pytest.raises(Unavailable):
        silent.list_users()
    with pytest.raises(Misconfigured):
        admin.get_user("..")


with AdminApi(URL, TOKEN, tenant=TENANT) as api:
    {
        "users": users,
        "sessions": sessions,
        "origins": origins,
        "telemetry": telemetry,
        "tenants": tenants,
        "errors": errors,
    }[sys.argv[1]](api)
