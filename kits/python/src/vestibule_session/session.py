"""A session as Vestibule describes it in request headers (docs/reference/headers.md)."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import unquote

from .change import Change
from .errors import ChangeRefused, DataOmitted, Misconfigured, NoSession, Unverified
from .identity import Identity

if TYPE_CHECKING:
    from .channel import Channel

PREFIX = "x-session-"


def _empty() -> Mapping[str, Any]:
    return MappingProxyType({})


class _OmittedData(Mapping[str, Any]):
    """Stands for data that a request does not carry. Reading it raises `DataOmitted`."""

    def __getitem__(self, _: str) -> Any:
        self._refuse()

    def __iter__(self) -> Iterator[str]:
        self._refuse()

    def __len__(self) -> int:
        self._refuse()

    def __repr__(self) -> str:
        return "<omitted>"

    # Sessions are compared by their members. Unknown data equals no other.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def _refuse(self) -> NoReturn:
        raise DataOmitted(
            "The session's data is larger than MAX_DATA, so the request does not carry it. Read it "
            "with `await session.arefresh()` (`session.refresh()` in code that is not async), or "
            "raise MAX_DATA."
        )


_OMITTED = _OmittedData()


class State(enum.Enum):
    """How to take a session: the value of `X-Session-State`."""

    NEW = "new"
    ACTIVE = "active"
    TAKEOVER = "takeover"
    """This server inherits the conversation from another one."""
    DEGRADED = "degraded"
    """Storage is behind or silent, so the data may be old."""


@dataclass(frozen=True)
class Session:
    """A snapshot of one session, and the way to change it.

    In an HTTP request a change becomes a response header. Where no response is left, as in a
    WebSocket or a background task, it goes through the session API: use the methods that begin
    with `a` in async code there. Every change returns the session as it is afterwards.
    """

    id: str
    """Public name of the session (`X-Session-Id`). No credential; a sign-in changes it."""
    tenant: str = ""
    user: str | None = None
    """None for a guest."""
    email: str | None = None
    name: str | None = None
    groups: tuple[str, ...] = ()
    groups_omitted: int = 0
    """Number of groups that did not fit into the header."""
    data: Mapping[str, Any] = field(default_factory=_empty)
    """Reading it raises `DataOmitted` if `data_omitted`."""
    data_omitted: bool = False
    """The data is too large for a header: `refresh` reads it."""
    env: Mapping[str, Any] = field(default_factory=_empty)
    """The tenant's `env`."""
    state: State = State.ACTIVE
    created: int = 0
    """Unix seconds."""
    expires: int = 0
    """Unix seconds: when the session ends if it is not used again."""
    channel: Channel | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.data_omitted:
            object.__setattr__(self, "data", _OMITTED)

    @property
    def is_guest(self) -> bool:
        return self.user is None

    @property
    def is_taken_over(self) -> bool:
        """Whether another server held this conversation before."""
        return self.state is State.TAKEOVER

    def patch(self, patch: Mapping[str, Any]) -> Session:
        """Merges `patch` into the data (RFC 7396): None removes a member."""
        return self._channel().send(Change(patch=patch))

    async def apatch(self, patch: Mapping[str, Any]) -> Session:
        return await self._channel().asend(Change(patch=patch))

    def ttl(self, seconds: int) -> Session:
        """Sets the idle limit of this session, from 60 seconds to the tenant's absolute limit."""
        return self._channel().send(Change(ttl=seconds))

    async def attl(self, seconds: int) -> Session:
        return await self._channel().asend(Change(ttl=seconds))

    def destroy(self) -> Session:
        """Ends the session."""
        return self._channel().send(Change(destroy=True))

    async def adestroy(self) -> Session:
        return await self._channel().asend(Change(destroy=True))

    def identify(
        self,
        user: str,
        *,
        email: str | None = None,
        name: str | None = None,
        groups: Iterable[str] = (),
        remember: bool = False,
    ) -> Session:
        """Signs the user in. Only in an HTTP request: the browser gets a new cookie."""
        if isinstance(groups, str):
            raise ChangeRefused("identify: `groups` must be a list of texts, not one text.")
        identity = Identity(user, email, name, tuple(groups), remember)
        return self._channel().send(Change(identify=identity))

    def rotate(self) -> Session:
        """Replaces the id in the cookie. Only in an HTTP request: the browser gets a new cookie."""
        return self._channel().send(Change(rotate=True))

    def refresh(self) -> Session:
        """Reads the session again, through the session API."""
        return self._channel().refresh()

    async def arefresh(self) -> Session:
        return await self._channel().arefresh()

    def _channel(self) -> Channel:
        if self.channel is None:
            raise Misconfigured(
                "This session cannot be changed, because it was made without a channel. "
                "Get it from `current_session()` or `OriginApi.read`."
            )
        return self.channel


def parse_session(headers: Mapping[str, str], channel: Channel | None = None) -> Session:
    """Reads a session from the headers of a request; names must be in lower case.

    Verifies nothing: `SessionMiddleware` does that first.
    """
    name = headers.get("x-session-id")
    if not name:
        raise NoSession(
            "The request has no X-Session-Id. Either it did not come through Vestibule, or "
            "Vestibule forwarded it without a session (public paths and CORS preflights)."
        )
    groups = headers.get("x-session-groups")
    try:
        return Session(
            id=name,
            tenant=headers.get("x-session-tenant", ""),
            user=_text(headers, "x-session-user"),
            email=_text(headers, "x-session-email"),
            name=_text(headers, "x-session-name"),
            groups=tuple(map(_decode, groups.split(","))) if groups else (),
            groups_omitted=int(headers.get("x-session-groups-omitted", 0)),
            data=_object(headers.get("x-session-data")),
            data_omitted="x-session-data-omitted" in headers,
            env=_object(headers.get("x-session-env")),
            state=State(headers.get("x-session-state", "active")),
            created=int(headers.get("x-session-created", 0)),
            expires=int(headers.get("x-session-expires", 0)),
            channel=channel,
        )
    except ValueError as error:
        raise Unverified(f"An X-Session header is malformed: {error}.") from error


def _text(headers: Mapping[str, str], name: str) -> str | None:
    value = headers.get(name)
    return _decode(value) if value else None


def _decode(value: str) -> str:
    return unquote(value, errors="strict")


def _object(value: str | None) -> Mapping[str, Any]:
    if not value:
        return _empty()
    parsed = json.loads(value)
    if not isinstance(parsed, dict):
        raise ValueError("JSON data is not an object")
    return MappingProxyType(parsed)
