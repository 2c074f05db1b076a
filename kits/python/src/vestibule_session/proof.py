"""`X-Session-Proof`: verifies that Vestibule sent a request (docs/reference/headers.md).

It covers method, path, session and user, but no other header. Without the key a proof cannot
be made; but a recorded request can be sent again until its proof is too old.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable
from typing import NamedTuple

from .errors import Misconfigured, MissingProof, Unverified

HEADER = "x-session-proof"

_PROOF = re.compile(r"v1;t=(\d{1,15});k=([0-9a-f]{8});mac=([A-Za-z0-9_-]{43})", re.ASCII)


class Proved(NamedTuple):
    """What a proof covers, each exactly as the request has it."""

    method: str
    path: str
    """As received: percent-encoded, without the query."""
    id: str
    """`X-Session-Id`; empty for a request without a session."""
    user: str
    """`X-Session-User`, still percent-encoded; empty for a guest."""


def signed_text(proved: Proved, at: str) -> bytes:
    """Returns the bytes under the MAC: five lines, with a line feed between them."""
    return "\n".join((*proved, at)).encode()


def key_id(key: str) -> str:
    """Returns the name of a key in a proof: the first 8 hex digits of its SHA-256."""
    return hashlib.sha256(key.encode()).hexdigest()[:8]


class ProofVerifier:
    """Verifies proofs with the tenant's origin keys.

    Vestibule signs with the first `ORIGIN_KEY`. To rotate, list both keys here before Vestibule
    signs with the new one. `max_age` is the most seconds that clocks may differ, and that a
    recorded request can be sent again.
    """

    def __init__(
        self,
        keys: Iterable[str],
        *,
        max_age: float = 60.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = {key_id(key): key.encode() for key in keys if key}
        if not self._keys:
            raise Misconfigured("Verifying proofs needs the tenant's ORIGIN_KEY.")
        self._max_age = max_age
        self._clock = clock

    def verify_proof(self, proof: str | None, proved: Proved) -> None:
        """Raises `Unverified` unless the proof is genuine and fresh."""
        if not proof:
            raise MissingProof(
                "The request has no X-Session-Proof. Send it through Vestibule; "
                "there, PROOF=true makes it add the header."
            )
        match = _PROOF.fullmatch(proof)
        if match is None:
            raise Unverified("X-Session-Proof has another form than v1;t=…;k=…;mac=….")
        at, name, mac = match.groups()
        key = self._keys.get(name)
        if key is None:
            raise Unverified(
                f"X-Session-Proof is signed with the key {name}, which is not known here. "
                "VESTIBULE_ORIGIN_KEY must hold the ORIGIN_KEY of Vestibule."
            )
        digest = hmac.digest(key, signed_text(proved, at), hashlib.sha256)
        expected = urlsafe_b64encode(digest).rstrip(b"=")
        if not hmac.compare_digest(expected, mac.encode()):
            raise Unverified("X-Session-Proof is not for this request: the MAC differs.")
        if abs(self._clock() - int(at)) > self._max_age:
            raise Unverified(
                f"X-Session-Proof is more than {self._max_age:g} seconds old. "
                "The request is a repeated one, or a clock is wrong."
            )
