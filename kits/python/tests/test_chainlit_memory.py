"""What is kept of `cl.user_session`. tests/kit/chainlit.test.mjs runs it in the real Chainlit."""

from __future__ import annotations

from types import MappingProxyType

from vestibule_session import Session
from vestibule_session.chainlit_memory import MEMBER, entries_of, patch_with
from vestibule_session.change import merge


def test_conversations_used_longest_ago_are_forgotten() -> None:
    data: dict[str, object] = {}
    for at in range(20):
        name = f"conversation-{at if at != 15 else 9}"
        entries = entries_of(Session(id="name", data=MappingProxyType(data)))
        data = merge(data, {MEMBER: patch_with(entries, name, {"count": at, "list": [at]}, at)})
    entries = entries_of(Session(id="name", data=MappingProxyType(data)))
    assert sorted(at for at, _ in entries.values()) == [12, 13, 14, 15, 16, 17, 18, 19]
    assert entries["conversation-9"] == (15, {"count": 15, "list": [15]})


def test_values_replace_those_before_as_a_whole() -> None:
    first = patch_with({}, "a", {"cart": {"pear": 1}, "step": 1}, 1)
    second = patch_with({}, "a", {"cart": {"plum": 2}}, 2)
    data = merge(merge({}, {MEMBER: first}), {MEMBER: second})
    entries = entries_of(Session(id="name", data=MappingProxyType(data)))
    assert entries == {"a": (2, {"cart": {"plum": 2}})}


def test_what_the_application_wrote_there_is_skipped() -> None:
    for foreign in ("text", ["a"], {"a": "text", "b": [1], "c": [1, 2], "d": ["1", {}]}):
        assert entries_of(Session(id="name", data=MappingProxyType({MEMBER: foreign}))) == {}
