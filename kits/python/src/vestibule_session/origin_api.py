"""The session API for origins (docs/reference/paths.md): read, change and end a session by name."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any
from urllib.parse import quote
from weakref import WeakKeyDictionary

import httpx

from .change import Change
from .errors import (
    ChangeRefused,
    Conflict,
    LeaseHeld,
    Misconfigured,
    NoSession,
    SessionError,
    Unavailable,
)
from .session import Session
from .site import site_of


@dataclass(frozen=True)
class Lease:
    """The right to change a session's data. A late holder's token is refused."""

    token: int
    until: int
    """Unix seconds."""
    exclusive: bool = True
    """Whether Vestibule refuses changes without the token. Release 0.2 does not."""


class OriginApi:
    """Calls the session API of one Vestibule host with the tenant's `ORIGIN_KEY`.

    One object serves all threads and event loops. Methods that begin with `a` are for async code.
    """

    def __init__(
        self, url: str, key: str, *, prefix: str = "/_session", timeout: float = 5.0
    ) -> None:
        site_of(url)  # Refuses what is no address.
        if not key:
            raise Misconfigured("The session API needs the tenant's ORIGIN_KEY.")
        self._base = f"{url.rstrip('/')}{prefix}/api"
        self._headers = {"authorization": f"Bearer {key}"}
        self._timeout = timeout
        self._client = self._sync_client()
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = (
            WeakKeyDictionary()
        )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> OriginApi | None:
        """Reads `VESTIBULE_URL` and `VESTIBULE_ORIGIN_KEY`; returns None without both.

        The key may be a list with commas between its members; the first is used.
        """
        url = environ.get("VESTIBULE_URL", "")
        key = environ.get("VESTIBULE_ORIGIN_KEY", "").split(",")[0].strip()
        return cls(url, key) if url and key else None

    def read(self, name: str, known: Session | None = None) -> Session:
        """Reads a session. `known` lends what the API does not return: tenant, `env` and state."""
        return self._session(self._send(self._request("GET", name)), known)

    async def aread(self, name: str, known: Session | None = None) -> Session:
        return self._session(await self._asend(self._request("GET", name)), known)

    def change(self, session: Session, change: Change, *, lease: int | None = None) -> Session:
        """Applies `patch`, `ttl` or `destroy`; returns the session as it is then."""
        answer = self._send(self._change_request(session, change, lease))
        return session if change.destroy else self._session(answer, session)

    async def achange(
        self, session: Session, change: Change, *, lease: int | None = None
    ) -> Session:
        answer = await self._asend(self._change_request(session, change, lease))
        return session if change.destroy else self._session(answer, session)

    def lease(self, session: Session, seconds: int = 30, token: int | None = None) -> Lease:
        """Takes the lease of a session, or extends the one with this token.

        Raises `LeaseHeld` while another caller holds it.
        """
        return _lease(self._send(self._lease_request(session, seconds, token)))

    async def alease(self, session: Session, seconds: int = 30, token: int | None = None) -> Lease:
        return _lease(await self._asend(self._lease_request(session, seconds, token)))

    def release(self, session: Session, lease: Lease) -> None:
        """Gives a lease back. One that ran out is given back already."""
        self._send(self._request("DELETE", session.id, "/lease", {"token": lease.token}))

    async def arelease(self, session: Session, lease: Lease) -> None:
        await self._asend(self._request("DELETE", session.id, "/lease", {"token": lease.token}))

    async def aready(self, origin: str, is_ready: bool) -> None:
        """Tells Vestibule whether an origin takes requests. `origin` is its name in `ORIGINS`.

        One that is not ready is skipped in every location: after two seconds at the latest where
        there are requests, and for 150 seconds at most. Needs CONSISTENCY=strong.
        """
        act = "ready" if is_ready else "unready"
        url = f"{self._base}/origins/{quote(origin, safe='')}/{act}"
        request = self._client.build_request("POST", url, headers=self._headers)
        try:
            await self._asend(request)
        except NoSession as error:
            raise Misconfigured(
                f"No origin of Vestibule is called {origin!r}. Set VESTIBULE_ORIGIN to the name "
                "in ORIGINS."
            ) from error

    def close(self) -> None:
        """Closes the connections of sync calls. A later call opens one again."""
        self._client.close()
        self._client = self._sync_client()

    async def aclose(self) -> None:
        """Closes the connections of async calls in this event loop."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    def _sync_client(self) -> httpx.Client:
        return httpx.Client(timeout=self._timeout, transport=httpx.HTTPTransport(retries=1))

    def _change_request(self, session: Session, change: Change, lease: int | None) -> httpx.Request:
        if change.destroy:
            return self._request("DELETE", session.id)
        body = change.to_body()
        if lease is not None:
            body["lease"] = lease
        body |= _begin(session)
        # With CONSISTENCY=eventual a condition is required; a merge patch suits any version.
        return self._request("PATCH", session.id, "", body, {"if-match": "*"})

    def _lease_request(self, session: Session, seconds: int, token: int | None) -> httpx.Request:
        body: dict[str, Any] = {"seconds": seconds, "exclusive": True, **_begin(session)}
        if token is not None:
            body["token"] = token
        return self._request("POST", session.id, "/lease", body)

    def _request(
        self,
        method: str,
        name: str,
        suffix: str = "",
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Request:
        url = f"{self._base}/sessions/{quote(name, safe='')}{suffix}"
        every = {**self._headers, **(headers or {})}
        if body is None:
            return self._client.build_request(method, url, headers=every)
        try:
            return self._client.build_request(method, url, headers=every, json=body)
        except (TypeError, ValueError) as error:
            raise ChangeRefused(f"The change cannot be written as JSON: {error}.") from error

    def _send(self, request: httpx.Request) -> httpx.Response:
        try:
            return _checked(self._client.send(request))
        except httpx.TransportError as error:
            raise _unreachable(request, error) from error

    async def _asend(self, request: httpx.Request) -> httpx.Response:
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            transport = httpx.AsyncHTTPTransport(retries=1)
            client = httpx.AsyncClient(timeout=self._timeout, transport=transport)
            self._clients[loop] = client
        try:
            return _checked(await client.send(request))
        except httpx.TransportError as error:
            raise _unreachable(request, error) from error

    def _session(self, answer: httpx.Response, known: Session | None) -> Session:
        body = answer.json()
        return replace(
            known or Session(id=body["handle"]),
            id=body["handle"],
            user=body["user"],
            email=body["email"],
            name=body["name"],
            groups=tuple(body["groups"] or ()),
            groups_omitted=body["groups_omitted"] or 0,
            data=MappingProxyType(body["data"]),
            data_omitted=False,
            created=body["created"],
            expires=body["expires"],
        )


def _begin(session: Session) -> dict[str, int]:
    """Names the start of the session, so that a guest's record may begin, and no other session."""
    return {"begin": session.created} if session.created else {}


def _lease(answer: httpx.Response) -> Lease:
    body = answer.json()
    return Lease(body["token"], body["until"], body.get("exclusive", False))


def _checked(answer: httpx.Response) -> httpx.Response:
    if not answer.is_success:
        raise _error(answer, _problem(answer))
    return answer


def _problem(answer: httpx.Response) -> dict[str, Any]:
    try:
        problem = answer.json()
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}


def _error(answer: httpx.Response, problem: Mapping[str, Any]) -> SessionError:
    status, code = answer.status_code, str(problem.get("code", ""))
    said = f"Vestibule answered {status} {code}: {problem.get('detail', 'no details')}"
    if status in (401, 403, 429):
        return Misconfigured(
            f"{said} Check that VESTIBULE_ORIGIN_KEY is the ORIGIN_KEY of this tenant."
        )
    if status == 404 and code == "not_found":
        return NoSession(
            f"{said} The session is over, or somebody has signed in since and its name changed: "
            "read X-Session-Id from a newer request."
        )
    if status == 404 and code == "not_recorded":
        return NoSession(
            f"{said} Begin the record with a change in a response, or set CONSISTENCY=strong."
        )
    if status == 404:
        return Misconfigured(f"{said} Check VESTIBULE_URL: it must lead to Vestibule itself.")
    if code == "leased":
        seconds = answer.headers.get("retry-after", "")
        return LeaseHeld(said, code, int(seconds) if seconds.isdecimal() else None)
    if code == "needs_objects":
        return Misconfigured(f"{said} Set CONSISTENCY=strong.")
    if status in (409, 412):
        return Conflict(said, code)
    if status >= 500:
        return Unavailable(f"{said} Try again.")
    return ChangeRefused(said, code)


def _unreachable(request: httpx.Request, error: httpx.TransportError) -> Unavailable:
    return Unavailable(
        f"Vestibule does not answer at {request.url.scheme}://{request.url.host}: "
        f"{type(error).__name__}. Check VESTIBULE_URL, and try again."
    )
