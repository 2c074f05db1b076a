"""What the admin API takes and returns, named as in Vestibule's `openapi.json`.

Times are Unix seconds.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict


class SessionSummary(TypedDict):
    """A session in a list."""

    handle: str
    created: int
    last_seen: int
    expires: int
    device: str | None
    browser: str | None
    country: str | None
    path: str | None
    origin: str | None
    user: str | None


class SessionPage(TypedDict):
    """`next` is `after` of the next page; None on the last."""

    sessions: list[SessionSummary]
    next: str | None


class ProviderTokens(TypedDict):
    provider: str
    access_token_expires: int | None
    renewable: bool


class SessionDetails(SessionSummary):
    """A session with its data. Values that look like secrets are hidden: see `redacted`."""

    email: str | None
    name: str | None
    groups: list[str]
    groups_omitted: int
    absolute_expires: int
    authenticated: int | None
    pinned: bool
    version: int
    data: dict[str, Any]
    redacted: list[str]
    vault: list[str]
    tokens: ProviderTokens | None


class Origin(TypedDict):
    """A chat server."""

    name: str
    url: str
    paths: list[str]
    state: Literal["active", "drain", "down"]
    weight: int
    release: str | None
    capacity: int | None
    under_way: int
    followed: bool
    reported_load: float | None
    ejected: bool
    takes_new_sessions: bool


class _AccountOptional(TypedDict, total=False):
    email: str
    name: str
    groups: list[str]
    disabled: bool
    changed: int


class Account(_AccountOptional):
    """An account with a password."""

    user: str


class AccountChange(TypedDict, total=False):
    """Members to set; None removes one. A new account needs a password."""

    email: str | None
    name: str | None
    groups: list[str] | None
    password: str
    disabled: bool


class Because(TypedDict):
    because: str


class Outcome(Because):
    does: Literal["forward", "answer"]
    status: int | None
    problem: str | None


class Choice(Because):
    origin: str
    takeover: bool


class Explanation(TypedDict):
    """Each step of a request; None for one that is not reached."""

    tenant: dict[str, str] | None
    path: dict[str, str] | None
    cookie: dict[str, str] | None
    session: dict[str, Any] | None
    login: dict[str, Any] | None
    origins: list[dict[str, Any]]
    choice: Choice | None
    outcome: Outcome


Level = Literal["info", "warn", "error"]


class LogPage(TypedDict):
    """`next` is `after` of the next page."""

    lines: list[dict[str, Any]]
    next: int
    dropped: int


class Overview(TypedDict):
    """Figures, as the console shows them."""

    at: int
    isolates: int
    freshness_ms: int | None
    scope: Literal["deployment", "isolate"]
    totals: dict[str, int]
    statuses: dict[str, int]
    latency: dict[str, Any]
    tenants: list[dict[str, Any]]
    origins: list[dict[str, Any]]
    busiest: list[dict[str, Any]]
    history: list[dict[str, Any]]


class WhoAmI(TypedDict):
    """What the token opens."""

    scope: Literal["deployment", "tenant"]
    tenant: str | None
    documents: bool
    expires: int | None
    idle_seconds: int
    version: str


class Fault(TypedDict):
    path: str
    problem: str


class DocumentVersion(TypedDict):
    version: str
    at: int
    current: bool
