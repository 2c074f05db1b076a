"""Ways for a change to reach Vestibule: with the response, or through the session API."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import replace
from types import MappingProxyType

from .change import Change, merge
from .errors import Misconfigured, NeedsResponse, NoSession
from .origin_api import OriginApi
from .session import Session


class Channel:
    """Changes one session through the session API, and remembers its latest snapshot."""

    def __init__(self, api: OriginApi | None) -> None:
        self._api = api
        self._session: Session | None = None

    @property
    def session(self) -> Session:
        """The session after the last change that was made here."""
        if self._session is None:
            raise NoSession("The request has no session.")
        return self._session

    @session.setter
    def session(self, session: Session) -> None:
        self._session = session

    def send(self, change: Change) -> Session:
        api = self._api_for(change)
        if _in_event_loop():
            raise Misconfigured(
                "No response is left to carry this change, and a call to the session API would "
                "block the event loop. Use `await session.apatch(...)`, `attl` or `adestroy`."
            )
        self.session = api.change(self.session, change)
        return self.session

    async def asend(self, change: Change) -> Session:
        self.session = await self._api_for(change).achange(self.session, change)
        return self.session

    def refresh(self) -> Session:
        self.session = self._require_api().read(self.session.id, self.session)
        return self.session

    async def arefresh(self) -> Session:
        self.session = await self._require_api().aread(self.session.id, self.session)
        return self.session

    def _api_for(self, change: Change) -> OriginApi:
        if change.needs_cookie:
            raise NeedsResponse(
                "identify and rotate give the browser a new cookie, so they need the response of "
                "an HTTP request that has not begun. Let the page call a route that does it."
            )
        return self._require_api()

    def _require_api(self) -> OriginApi:
        if self._api is None:
            raise Misconfigured(
                "The session API is not configured, and no response is left to carry the change. "
                "Set VESTIBULE_URL and VESTIBULE_ORIGIN_KEY, or pass `api=OriginApi(...)`."
            )
        return self._api


class ResponseChannel(Channel):
    """Collects changes for the headers of a response, until it begins."""

    def __init__(self, api: OriginApi | None) -> None:
        super().__init__(api)
        self._before: Session | None = None
        self._change = Change()
        self._has_begun = False

    def send(self, change: Change) -> Session:
        return super().send(change) if self._has_begun else self._collect(change)

    async def asend(self, change: Change) -> Session:
        return await super().asend(change) if self._has_begun else self._collect(change)

    def refresh(self) -> Session:
        super().refresh()
        return self._with_changes()

    async def arefresh(self) -> Session:
        await super().arefresh()
        return self._with_changes()

    def begin_response(self) -> list[tuple[bytes, bytes]]:
        """Returns the headers to add. Later changes go through the session API."""
        self._has_begun = True
        return self._change.headers()

    def _with_changes(self) -> Session:
        """Shows the changes that the response will carry in a session that was read again."""
        if not self._has_begun:
            self._before = self.session
            self.session = foreseen(self._before, self._change)
        return self.session

    def _collect(self, change: Change) -> Session:
        combined = self._change.and_then(change)
        combined.headers()  # Refuses what is no JSON here, where the caller sees it.
        self._before = self._before or self.session
        self._change = combined
        self.session = foreseen(self._before, combined)
        return self.session


def foreseen(session: Session, change: Change) -> Session:
    """Returns the session as Vestibule makes it of a response: identity first, then data."""
    if change.identify is not None:
        who = change.identify
        is_another = session.user not in (None, who.user)
        session = replace(
            session,
            user=who.user,
            email=who.email,
            name=who.name,
            groups=who.groups,
            groups_omitted=0,
            data=MappingProxyType({}) if is_another else session.data,
            data_omitted=session.data_omitted and not is_another,
        )
    if change.patch is not None and not session.data_omitted:
        session = replace(session, data=MappingProxyType(merge(session.data, change.patch)))
    return session


_current: ContextVar[Channel | None] = ContextVar("vestibule_session", default=None)


def current_channel() -> Channel | None:
    """Returns the channel of the request that this code runs in."""
    return _current.get()


def set_current_channel(channel: Channel | None) -> None:
    _current.set(channel)


def current_session() -> Session:
    """Returns the session of the request or WebSocket that this code runs in.

    Raises `NoSession` outside of one, and for a request that Vestibule forwards without a session.
    """
    channel = _current.get()
    if channel is None:
        raise NoSession(
            "No session is known here. Add SessionMiddleware to the application, and call "
            "current_session() while a request is handled."
        )
    return channel.session


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
