"""Ways to make sure that a request comes from Vestibule, and the settings that choose one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from . import assertion, proof
from .assertion import AssertionVerifier
from .errors import Misconfigured
from .origin_api import OriginApi
from .proof import ProofVerifier, Proved


@dataclass(frozen=True)
class Request:
    """What is known of a request before it is believed."""

    method: str
    path: str
    """As received: percent-encoded, without the query."""
    headers: Mapping[str, str]
    """The `X-Session-*` headers, by name in lower case."""


class Verifier(Protocol):
    """Raises `Unverified` for a request that does not come from Vestibule."""

    async def verify(self, request: Request) -> None: ...


class Proof:
    """Requires a valid `X-Session-Proof` (`PROOF=true`)."""

    def __init__(self, verifier: ProofVerifier) -> None:
        self._verifier = verifier

    async def verify(self, request: Request) -> None:
        headers = request.headers
        session_id, user = headers.get("x-session-id", ""), headers.get("x-session-user", "")
        proved = Proved(request.method, request.path, session_id, user)
        self._verifier.verify_proof(headers.get(proof.HEADER), proved)


class Assertion:
    """Requires a valid `X-Session-Assertion` (`ASSERTION=true`)."""

    def __init__(self, verifier: AssertionVerifier) -> None:
        self._verifier = verifier

    async def verify(self, request: Request) -> None:
        headers = request.headers
        await self._verifier.verify_assertion(
            headers.get(assertion.HEADER),
            tenant=headers.get("x-session-tenant", ""),
            session_id=headers.get("x-session-id", ""),
            user=headers.get("x-session-user", ""),
        )


class PrivateNetwork:
    """Believes every request: only Vestibule can reach this server, as the network makes sure."""

    async def verify(self, request: Request) -> None:
        return None


@dataclass(frozen=True)
class Settings:
    """How to verify requests, and how to reach the session API."""

    verifier: Verifier
    api: OriginApi | None

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Reads `VESTIBULE_VERIFY`, and what `OriginApi.from_env` reads."""
        url = environ.get("VESTIBULE_URL", "")
        keys = [key.strip() for key in environ.get("VESTIBULE_ORIGIN_KEY", "").split(",")]
        api = OriginApi.from_env(environ)
        match environ.get("VESTIBULE_VERIFY", ""):
            case "proof":
                return cls(Proof(ProofVerifier(keys)), api)
            case "assertion" if url:
                return cls(Assertion(AssertionVerifier(url)), api)
            case "assertion":
                raise Misconfigured("VESTIBULE_VERIFY=assertion needs VESTIBULE_URL.")
            case "network":
                return cls(PrivateNetwork(), api)
            case other:
                raise Misconfigured(
                    f"VESTIBULE_VERIFY is {other!r}. Set it to `proof`, `assertion`, or, if only "
                    "Vestibule can reach this server, `network`."
                )


def shared_settings() -> Settings:
    """Returns the settings of the environment: one verifier for all while it stays the same."""
    names = ("VESTIBULE_VERIFY", "VESTIBULE_URL", "VESTIBULE_ORIGIN_KEY")
    return _settings(tuple((name, os.environ.get(name, "")) for name in names))


@lru_cache(maxsize=1)
def _settings(values: tuple[tuple[str, str], ...]) -> Settings:
    return Settings.from_env(dict(values))
