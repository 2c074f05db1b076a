"""Reading a session from headers, as Vestibule writes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule_session import (
    DataOmitted,
    Misconfigured,
    NoSession,
    Session,
    State,
    Unverified,
    parse_session,
)

ID = "Vo3nJzXQ0cYF0yq5cJ1a2g"
NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def header_text(text: str, also: str = "") -> str:
    """As `header_text` in src/session/names.rs: printable ASCII as it is, blanks at an end not."""
    encoded = text.encode()
    ends = (0, len(encoded) - 1)
    return "".join(
        chr(byte)
        if 0x20 <= byte <= 0x7E
        and chr(byte) not in "%" + also
        and not (byte == 0x20 and at in ends)
        else f"%{byte:02X}"
        for at, byte in enumerate(encoded)
    )


def test_every_header_is_read() -> None:
    session = parse_session(
        {
            "x-session-id": f"{ID}.AAECAwQF",
            "x-session-tenant": "acme",
            "x-session-state": "takeover",
            "x-session-user": "ada",
            "x-session-email": "ada@acme.example",
            "x-session-name": "%E7%8E%8B %E8%8A%B3 100%25",
            "x-session-groups": "staff,%C3%A9quipe",
            "x-session-groups-omitted": "3",
            "x-session-data": '{"count":3,"w":"\\u738b"}',
            "x-session-env": '{"MODEL":"small"}',
            "x-session-created": "1700000000",
            "x-session-expires": "1700001800",
        }
    )
    assert session == Session(
        id=f"{ID}.AAECAwQF",
        tenant="acme",
        user="ada",
        email="ada@acme.example",
        name="王 芳 100%",
        groups=("staff", "équipe"),
        groups_omitted=3,
        data={"count": 3, "w": "王"},
        env={"MODEL": "small"},
        state=State.TAKEOVER,
        created=1_700_000_000,
        expires=1_700_001_800,
    )
    assert session.is_taken_over
    assert not session.is_guest


def test_guest_without_data() -> None:
    session = parse_session({"x-session-id": ID, "x-session-state": "new"})
    assert session.is_guest
    assert (session.data, session.data_omitted, session.groups) == ({}, False, ())


READINGS: dict[str, Callable[[Mapping[str, Any]], object]] = {
    "a member": lambda data: data["count"],
    "a member or a default": lambda data: data.get("count", 0),
    "whether there is a member": lambda data: "count" in data,
    "whether there is data": bool,
    "the number of members": len,
    "the names": list,
    "a copy": dict,
}


@pytest.mark.parametrize("reading", READINGS.values(), ids=READINGS)
def test_omitted_data_never_looks_like_no_data(
    reading: Callable[[Mapping[str, Any]], object],
) -> None:
    session = parse_session({"x-session-id": ID, "x-session-data-omitted": "size"})
    assert session.data_omitted
    for one in (session, replace(session, expires=1)):
        with pytest.raises(DataOmitted, match=r"arefresh\(\).*MAX_DATA"):
            reading(one.data)


def test_sessions_with_omitted_data_are_shown_and_compared() -> None:
    headers = {"x-session-id": ID, "x-session-data-omitted": "size"}
    session = parse_session(headers)
    assert session == parse_session(headers)
    assert session != parse_session({"x-session-id": ID})
    assert "data=<omitted>" in repr(session)


@given(user=NAMES, name=NAMES, groups=st.lists(NAMES, max_size=4))
def test_names_arrive_as_they_were_given(user: str, name: str, groups: list[str]) -> None:
    listed = ",".join(header_text(group, ",") for group in groups)
    headers = {"x-session-id": ID, "x-session-user": header_text(user)}
    headers |= {"x-session-name": header_text(name)}
    headers |= {"x-session-groups": listed} if groups else {}
    session = parse_session(headers)
    assert (session.user, session.name, session.groups) == (user, name, tuple(groups))


@given(st.dictionaries(st.text(), JSON))
def test_data_arrives_as_it_was_stored(data: dict[str, Any]) -> None:
    assert parse_session({"x-session-id": ID, "x-session-data": json.dumps(data)}).data == data


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("x-session-data", "{"),
        ("x-session-data", "[]"),
        ("x-session-env", "1"),
        ("x-session-name", "%FF"),
        ("x-session-state", "revived"),
        ("x-session-created", "soon"),
    ],
)
def test_malformed_header_is_refused(header: str, value: str) -> None:
    with pytest.raises(Unverified, match="malformed"):
        parse_session({"x-session-id": ID, header: value})


def test_request_without_a_session_is_told_so() -> None:
    with pytest.raises(NoSession, match="X-Session-Id"):
        parse_session({"x-session-tenant": "acme"})


def test_snapshot_is_immutable() -> None:
    session = parse_session({"x-session-id": ID, "x-session-data": '{"a":1}'})
    with pytest.raises(TypeError):
        session.data["a"] = 2  # type: ignore[index]
    with pytest.raises(AttributeError):
        session.user = "ada"  # type: ignore[misc]
    with pytest.raises(Misconfigured, match="channel"):
        session.patch({"a": 2})
