"""The admin API for operators' programs (docs/reference/paths.md).

Tenants, users, sessions, servers and figures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, cast
from urllib.parse import quote

import httpx

from .admin_errors import (
    Invalid,
    NotAllowed,
    NotFound,
    RateLimited,
    Refused,
    StateConflict,
    error_of,
)
from .admin_types import (
    Account,
    AccountChange,
    DocumentVersion,
    Explanation,
    Fault,
    Level,
    LogPage,
    Origin,
    Overview,
    SessionDetails,
    SessionPage,
    SessionSummary,
    WhoAmI,
)
from .errors import Misconfigured, Unavailable
from .site import site_of

__all__ = [
    "Account",
    "AccountChange",
    "AdminApi",
    "DocumentVersion",
    "Explanation",
    "Fault",
    "Invalid",
    "LogPage",
    "NotAllowed",
    "NotFound",
    "Origin",
    "Overview",
    "RateLimited",
    "Refused",
    "SessionDetails",
    "SessionPage",
    "SessionSummary",
    "StateConflict",
    "WhoAmI",
]


class AdminApi:
    """Calls the admin API of one Vestibule host with an `ADMIN_TOKEN`.

    One object serves all threads. Use it in a `with` statement, or call `close`.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        tenant: str | None = None,
        prefix: str = "/_session",
        timeout: float = 30.0,
    ) -> None:
        """`tenant` is needed where the deployment has several."""
        site_of(url)  # Refuses what is no address.
        if not token:
            raise Misconfigured("The admin API needs an ADMIN_TOKEN.")
        self._base = f"{url.rstrip('/')}{prefix}/admin/"
        self._tenant = tenant
        self._client = httpx.Client(
            timeout=timeout,
            headers={"authorization": f"Bearer {token}"},
            transport=httpx.HTTPTransport(retries=1),
        )

    def __enter__(self) -> AdminApi:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def who_am_i(self) -> WhoAmI:
        """Returns what the token opens."""
        return cast(WhoAmI, self._json("GET", "whoami"))

    def list_sessions(
        self,
        *,
        user: str | None = None,
        origin: str | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> SessionPage:
        """Returns a page of sessions. `limit` is 1 to 100, by default 50."""
        query = {"user": user, "origin": origin, "limit": limit, "after": after}
        return cast(SessionPage, self._json("GET", "sessions", query=query))

    def sessions(
        self, *, user: str | None = None, origin: str | None = None
    ) -> Iterator[SessionSummary]:
        """Iterates over all sessions, page by page."""
        after: str | None = None
        while True:
            page = self.list_sessions(user=user, origin=origin, after=after)
            yield from page["sessions"]
            after = page["next"]
            if after is None:
                return

    def view_session(self, name: str) -> SessionDetails:
        """Returns a session by its `X-Session-Id` or its handle. Vestibule logs the access."""
        return cast(SessionDetails, self._json("GET", _path("sessions", name)))

    def end_session(self, name: str) -> None:
        self._send("DELETE", _path("sessions", name))

    def end_sessions_of(self, user: str) -> None:
        """Ends all sessions of a user."""
        self._send("DELETE", "sessions", query={"user": user})

    def end_all_sessions(self) -> None:
        """Ends all sessions of the tenant."""
        self._send("DELETE", "sessions", query={"all": "true"})

    def explain(
        self,
        *,
        url: str | None = None,
        headers: Mapping[str, str] | None = None,
        handle: str | None = None,
        path: str | None = None,
        method: str = "GET",
    ) -> Explanation:
        """Explains what would happen to a request, without doing it.

        Give its `url` and `headers`, or the `handle` of a session and a `path`.
        """
        given = {"url": url, "headers": headers, "handle": handle, "path": path}
        body = {name: value for name, value in given.items() if value is not None}
        answer = self._json("POST", "explain", body={**body, "method": method})
        return cast(Explanation, answer)

    def list_origins(self) -> list[Origin]:
        """Returns the tenant's servers with state, load and health. Needs CONSISTENCY=strong."""
        return cast(list[Origin], self._json("GET", "origins")["origins"])

    def drain_origin(self, name: str) -> None:
        """Stops new sessions for a server, in every location. Needs CONSISTENCY=strong."""
        self._send("POST", _path("origins", name, "drain"))

    def undrain_origin(self, name: str) -> None:
        """Resumes new sessions for a server."""
        self._send("POST", _path("origins", name, "undrain"))

    def list_users(self) -> list[str]:
        """Returns the names of accounts with passwords."""
        return cast(list[str], self._json("GET", "users")["users"])

    def get_user(self, name: str) -> Account:
        return cast(Account, self._json("GET", _path("users", name)))

    def put_user(self, name: str, change: AccountChange) -> None:
        """Creates an account, or changes these members.

        A new password ends the user's sessions.
        """
        self._send("PUT", _path("users", name), body=change)

    def delete_user(self, name: str) -> None:
        """Deletes an account, and ends the user's sessions."""
        self._send("DELETE", _path("users", name))

    def metrics(self) -> str:
        """Returns the metrics as Prometheus reads them."""
        return self._send("GET", "metrics").text

    def overview(self) -> Overview:
        return cast(Overview, self._json("GET", "overview"))

    def logs(self, *, after: int | None = None, level: Level | None = None) -> LogPage:
        """Returns up to 200 log lines, by default the latest."""
        return cast(LogPage, self._json("GET", "logs", query={"after": after, "level": level}))

    def list_tenants(self) -> list[str]:
        """Returns the ids of all tenants. This and what follows needs the deployment's token."""
        return cast(list[str], self._json("GET", "tenants")["tenants"])

    def get_tenant(self, tenant: str) -> tuple[dict[str, Any], str]:
        """Returns a document and its `ETag`."""
        answer = self._send("GET", _path("tenants", tenant))
        return _object(answer), answer.headers.get("etag", "")

    def put_tenant(
        self, tenant: str, document: Mapping[str, Any], *, if_match: str | None = None
    ) -> str:
        """Stores a document, and returns its `ETag`. With `if_match`, only over that version."""
        path = _path("tenants", tenant)
        answer = self._send("PUT", path, body=document, if_match=if_match)
        return str(answer.headers.get("etag", ""))

    def delete_tenant(self, tenant: str, *, if_match: str | None = None) -> None:
        self._send("DELETE", _path("tenants", tenant), if_match=if_match)

    def validate_tenant(self, document: Mapping[str, Any]) -> list[Fault]:
        """Checks a document without storing it; returns its faults."""
        answer = self._json("POST", "tenants/validate", body=document)
        return cast(list[Fault], answer["faults"])

    def list_versions(self, tenant: str) -> list[DocumentVersion]:
        """Returns up to twenty versions of a document, newest first."""
        answer = self._json("GET", _path("tenants", tenant, "history"))
        return cast(list[DocumentVersion], answer["versions"])

    def get_version(self, tenant: str, version: str) -> dict[str, Any]:
        """Returns a document as it was."""
        return self._json("GET", _path("tenants", tenant, "history", version))

    def _json(
        self, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: object = None
    ) -> dict[str, Any]:
        return _object(self._send(method, path, query=query, body=body))

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: object = None,
        if_match: str | None = None,
    ) -> httpx.Response:
        every = {"tenant": self._tenant, **(query or {})}
        params = {name: value for name, value in every.items() if value is not None}
        headers = {} if if_match is None else {"if-match": if_match}
        url = self._base + path
        try:
            answer = self._client.request(method, url, params=params, headers=headers, json=body)
        except httpx.TransportError as error:
            raise Unavailable(
                f"Vestibule does not answer at {site_of(url)}: {type(error).__name__}. Check the "
                "address, and try again."
            ) from error
        except (TypeError, ValueError) as error:
            raise Misconfigured(f"The call cannot be written: {error}.") from error
        if not answer.is_success:
            raise error_of(answer)
        return answer


def _path(*parts: str) -> str:
    """A path below `/admin/` from parts, which may hold any character."""
    for part in parts:
        if part in ("", ".", ".."):
            raise Misconfigured(f"{part!r} is no name.")
    return "/".join(quote(part, safe="") for part in parts)


def _object(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Misconfigured(
            "What answers is not the admin API. Check the address: it must lead to Vestibule "
            "itself."
        )
    return body
