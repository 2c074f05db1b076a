"""Errors of the kit. Each says what happened, why, and what to do."""

from __future__ import annotations


class SessionError(Exception):
    """Base of all errors of this package."""


class Misconfigured(SessionError):
    """A setting is missing or invalid."""


class NoSession(SessionError):
    """There is no session here: code runs outside of a request, or the session is over."""


class DataOmitted(SessionError):
    """The session has data that its request does not carry, and it was not read yet."""


class Unverified(SessionError):
    """A request does not prove that it comes from Vestibule.

    `status` is what the middleware answers: 401 if the proof is missing, 403 if it is wrong.
    """

    status = 403


class MissingProof(Unverified):
    """The request carries no proof or assertion."""

    status = 401


class NeedsResponse(SessionError):
    """The change must reach the browser with a response, and there is none to carry it."""


class ChangeRefused(SessionError):
    """Vestibule did not accept the change. `code` is its problem code."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class Conflict(ChangeRefused):
    """The change and the session as it is now do not fit together."""


class LeaseHeld(Conflict):
    """Another caller holds the session's lease, or your own lease has ended."""

    def __init__(self, message: str, code: str = "", retry_after: int | None = None) -> None:
        super().__init__(message, code)
        self.retry_after = retry_after
        """Seconds until the lease ends by itself, if Vestibule says so."""


class Unavailable(SessionError):
    """Vestibule, or its storage, did not answer. The change may have been applied."""
