"""Verify, read and change the sessions that a Vestibule gateway hands to your Python server."""

from .assertion import AssertionVerifier
from .change import Change
from .channel import current_session
from .errors import (
    ChangeRefused,
    Conflict,
    DataOmitted,
    LeaseHeld,
    Misconfigured,
    MissingProof,
    NeedsResponse,
    NoSession,
    SessionError,
    Unavailable,
    Unverified,
)
from .identity import Identity
from .middleware import SessionMiddleware
from .origin_api import Lease, OriginApi
from .proof import ProofVerifier
from .session import Session, State, parse_session
from .verification import Assertion, PrivateNetwork, Proof, Settings, Verifier

__all__ = [
    "Assertion",
    "AssertionVerifier",
    "Change",
    "ChangeRefused",
    "Conflict",
    "DataOmitted",
    "Identity",
    "Lease",
    "LeaseHeld",
    "Misconfigured",
    "MissingProof",
    "NeedsResponse",
    "NoSession",
    "OriginApi",
    "PrivateNetwork",
    "Proof",
    "ProofVerifier",
    "Session",
    "SessionError",
    "SessionMiddleware",
    "Settings",
    "State",
    "Unavailable",
    "Unverified",
    "Verifier",
    "current_session",
    "parse_session",
]
