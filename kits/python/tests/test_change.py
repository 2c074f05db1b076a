"""Changes as response headers, and merge patches (RFC 7396)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from vestibule_session import Change, ChangeRefused, Identity
from vestibule_session.change import merge

MEMBERS = st.sampled_from(["a", "b", "c"])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers(0, 3),
    lambda inner: st.dictionaries(MEMBERS, inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(MEMBERS, VALUES, max_size=3)

# RFC 7396, appendix A, as far as target and patch are objects.
RFC_7396 = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "result"), RFC_7396)
def test_merge_follows_the_standard(
    target: dict[str, Any], patch: dict[str, Any], result: dict[str, Any]
) -> None:
    assert merge(target, patch) == result


@given(OBJECTS, OBJECTS, OBJECTS)
def test_combined_patches_have_the_effect_of_both(
    data: dict[str, Any], first: dict[str, Any], second: dict[str, Any]
) -> None:
    data = merge({}, data)  # Stored data has no null.
    try:
        combined = Change(patch=first).and_then(Change(patch=second)).patch
    except ChangeRefused:
        assume(False)
    assert combined is not None
    assert merge(data, combined) == merge(merge(data, first), second)


def test_patches_that_cannot_be_combined_are_refused() -> None:
    with pytest.raises(ChangeRefused, match="one patch"):
        Change(patch={"a": None}).and_then(Change(patch={"a": {"b": 1}}))


def test_change_is_written_as_headers() -> None:
    identity = Identity("ada", name="王芳", groups=("staff",))
    change = Change(patch={"n": 1, "w": "王"}, identify=identity, ttl=600, rotate=True)
    headers = dict(change.and_then(Change(destroy=True)).headers())
    assert json.loads(headers.pop(b"x-session-identify")) == {
        "user": "ada",
        "name": "王芳",
        "groups": ["staff"],
    }
    assert headers == {
        b"x-session-patch": b'{"n":1,"w":"\\u738b"}',
        b"x-session-ttl": b"600",
        b"x-session-rotate": b"1",
        b"x-session-destroy": b"1",
    }
    assert Change().headers() == []


@given(st.dictionaries(st.text(), st.text()))
def test_headers_are_one_line_of_ascii(patch: dict[str, str]) -> None:
    ((_, value),) = Change(patch=patch).headers()
    assert value.isascii()
    assert not set(value) & set(b"\r\n\0")


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, b"bytes"])
def test_what_is_no_json_is_refused(value: object) -> None:
    with pytest.raises(ChangeRefused, match="JSON"):
        Change(patch={"a": value}).headers()
