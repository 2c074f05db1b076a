"""What a server asks of a session, and how a response header says it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import ChangeRefused
from .identity import Identity


@dataclass(frozen=True)
class Change:
    """Changes of one session that are applied together.

    Raises `ChangeRefused` for one that Vestibule would ignore.
    """

    patch: Mapping[str, Any] | None = None
    identify: Identity | None = None
    ttl: int | None = None
    rotate: bool = False
    destroy: bool = False

    def __post_init__(self) -> None:
        if self.ttl is not None and type(self.ttl) is not int:
            raise ChangeRefused("The idle limit must be a whole number of seconds.")

    @property
    def needs_cookie(self) -> bool:
        """Whether the browser gets a new cookie, so that only a response can carry the change."""
        return self.identify is not None or self.rotate

    def and_then(self, later: Change) -> Change:
        """Returns one change with the effect of both."""
        return Change(
            patch=_compose(self.patch, later.patch),
            identify=later.identify or self.identify,
            ttl=self.ttl if later.ttl is None else later.ttl,
            rotate=self.rotate or later.rotate,
            destroy=self.destroy or later.destroy,
        )

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Returns the response headers that ask for it."""
        values = {
            "x-session-patch": None if self.patch is None else _json(self.patch),
            "x-session-identify": self.identify and _json(_members(self.identify)),
            "x-session-ttl": None if self.ttl is None else str(self.ttl),
            "x-session-rotate": "1" if self.rotate else None,
            "x-session-destroy": "1" if self.destroy else None,
        }
        return [(name.encode(), value.encode()) for name, value in values.items() if value]

    def to_body(self) -> dict[str, Any]:
        """Returns the body of a `PATCH` that asks for it."""
        body: dict[str, Any] = {}
        if self.patch is not None:
            body["patch"] = dict(self.patch)
        if self.ttl is not None:
            body["ttl"] = self.ttl
        return body


def _members(identity: Identity) -> dict[str, Any]:
    members = {
        "user": identity.user,
        "email": identity.email,
        "name": identity.name,
        "groups": list(identity.groups) or None,
        "remember": identity.remember or None,
    }
    return {member: value for member, value in members.items() if value is not None}


def merge(target: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Applies a JSON merge patch (RFC 7396)."""
    merged = dict(target)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping):
            before = merged.get(name)
            merged[name] = merge(before if isinstance(before, Mapping) else {}, value)
        else:
            merged[name] = value
    return merged


def _compose(
    first: Mapping[str, Any] | None, second: Mapping[str, Any] | None
) -> Mapping[str, Any] | None:
    if first is None or second is None:
        return second if first is None else first
    composed = dict(first)
    for name, value in second.items():
        if isinstance(value, Mapping) and name in first:
            before = first[name]
            if not isinstance(before, Mapping):
                raise ChangeRefused(
                    f"Two patches of one response cannot be combined: the first replaces {name!r}, "
                    f"the second changes its members. Send one patch with the final value."
                )
            composed[name] = _compose(before, value)
        else:
            composed[name] = value
    return composed


def _json(value: object) -> str:
    """Writes one line of ASCII, as a header requires."""
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ChangeRefused(f"The change cannot be written as JSON: {error}.") from error
