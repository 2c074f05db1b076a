"""Identities that Vestibule would ignore are refused, so that nobody believes in a sign-in."""

from __future__ import annotations

from typing import Any

import pytest

from vestibule_session import Change, ChangeRefused, Identity
from vestibule_session.channel import ResponseChannel
from vestibule_session.session import Session


@pytest.mark.parametrize(
    "members",
    [
        {"user": None},
        {"user": ""},
        {"user": "ada "},
        {"user": "a\u200bda"},
        {"user": "a\tda"},
        {"user": "a\u2003da"},
        {"user": "é" * 161},
        {"user": "a\ud800"},
        {"email": "a\nb"},
        {"email": ""},
        {"name": 7},
        {"name": "A\u202eda"},
        {"groups": ("a,b",)},
        {"groups": (7,)},
        {"groups": tuple(map(str, range(65)))},
        {"remember": "yes"},
    ],
)
def test_identity_against_the_rule_for_names_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(ChangeRefused, match=next(iter(members))):
        Identity(**{"user": "ada", **members})


def test_names_of_any_script_sign_in() -> None:
    name = "王 芳 👩\u200d🚀\u3000100%"
    Identity("王 芳", "é@a.example", name, ("a b", "équipe"), remember=True)
    Identity("é" * 160, groups=tuple(map(str, range(64))))


def test_refused_sign_in_leaves_the_session_and_the_response_as_they_were() -> None:
    channel = ResponseChannel(None)
    channel.session = session = Session(id="one", channel=channel)
    groups: Any
    for groups in (["a,b"], "staff"):
        with pytest.raises(ChangeRefused, match="groups"):
            session.identify("ada", groups=groups)
    assert channel.session == session
    assert channel.begin_response() == []


@pytest.mark.parametrize("ttl", [0.5, "600", True])
def test_idle_limit_that_is_no_whole_number_is_refused(ttl: Any) -> None:
    with pytest.raises(ChangeRefused, match="whole number"):
        Change(ttl=ttl)
