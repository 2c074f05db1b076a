"""Errors of the admin API. Those that calls of all APIs share are in `errors`."""

from __future__ import annotations

import httpx

from .errors import Misconfigured, SessionError, Unavailable


class Refused(SessionError):
    """Vestibule refused the call. `code` is its problem code, and `status` the HTTP status."""

    def __init__(self, message: str, code: str, status: int) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class NotAllowed(Refused):
    """The token does not open this."""


class NotFound(Refused):
    """There is no such tenant, user, session or server."""


class Invalid(Refused):
    """A value is not accepted; the message says which."""


class StateConflict(Refused):
    """The document changed since you read it, or the deployment cannot do this."""


class RateLimited(Refused):
    """Too many wrong tokens, or too many passwords at once."""

    def __init__(self, message: str, code: str, status: int, retry_after: int | None) -> None:
        super().__init__(message, code, status)
        self.retry_after = retry_after
        """Seconds to wait, if Vestibule says so."""


def error_of(answer: httpx.Response) -> SessionError:
    """Returns the error of a response."""
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    status = answer.status_code
    if not isinstance(problem, dict) or "code" not in problem:
        return Misconfigured(
            f"Vestibule answered {status} without a problem code. Check the address: it must lead "
            "to Vestibule itself."
        )
    code = str(problem["code"])
    said = f"Vestibule answered {status} {code}: {problem.get('detail', 'no details')}"
    if status in (401, 403):
        return NotAllowed(said, code, status)
    if status == 404:
        return NotFound(said, code, status)
    if status in (409, 412):
        return StateConflict(said, code, status)
    if status == 429:
        seconds = answer.headers.get("retry-after", "")
        return RateLimited(said, code, status, int(seconds) if seconds.isdecimal() else None)
    if status >= 500:
        return Unavailable(f"{said} Try again.")
    return Invalid(said, code, status)
