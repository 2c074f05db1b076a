"""Who a session belongs to, and the rule for names (docs/guide/sign-in.md)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import ChangeRefused

_MAX_BYTES = 320
_MAX_GROUPS = 64

_JOINERS = re.compile("[\\u200c\\u200d\\ufe00-\\ufe0f]")

_UNREADABLE = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\xad\\u034f\\u0600-\\u0605\\u061c\\u06dd\\u070f\\u0890-\\u0891\\u08e2"
    "\\u115f-\\u1160\\u17b4-\\u17b5\\u180b-\\u180f\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164"
    "\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff0-\\ufffb\\U000110bd\\U000110cd\\U00013430-\\U0001343f"
    "\\U0001bca0-\\U0001bca3\\U0001d173-\\U0001d17a\\U000e0000-\\U000e0fff]"
)
"""Control characters, and those that Vestibule counts as invisible (src/session/names.rs)."""


@dataclass(frozen=True)
class Identity:
    """Who a session belongs to, as your own sign-in found out.

    Raises `ChangeRefused` for one that Vestibule would ignore: the visitor would stay who it was.
    """

    user: str
    email: str | None = None
    name: str | None = None
    groups: tuple[str, ...] = ()
    remember: bool = False

    def __post_init__(self) -> None:
        is_sound = {
            "user": _is_identifier(self.user),
            "email": self.email is None or _is_identifier(self.email),
            "name": self.name is None or _is_presentable(self.name),
            "groups": len(self.groups) <= _MAX_GROUPS and all(map(_is_group, self.groups)),
        }
        for member, passes in is_sound.items():
            if not passes:
                raise ChangeRefused(
                    f"identify: `{member}` breaks the rule for names: up to {_MAX_BYTES} bytes, "
                    "without control and invisible characters and blanks at the ends; up to "
                    f"{_MAX_GROUPS} groups without commas."
                )
        if not isinstance(self.remember, bool):
            raise ChangeRefused("identify: `remember` must be True or False.")


def _is_presentable(text: object) -> bool:
    if not isinstance(text, str) or not text or text.strip() != text:
        return False
    try:
        size = len(text.encode())
    except UnicodeEncodeError:  # Half of a surrogate pair.
        return False
    return size <= _MAX_BYTES and not _UNREADABLE.search(_JOINERS.sub("", text))


def _is_identifier(text: object) -> bool:
    return (
        isinstance(text, str)
        and _is_presentable(text)
        and not _UNREADABLE.search(text)
        and not any(char.isspace() and char != " " for char in text)
    )


def _is_group(text: object) -> bool:
    return isinstance(text, str) and _is_identifier(text) and "," not in text
