"""The proof, against the vectors that Vestibule's own tests read too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vestibule_session import Misconfigured, MissingProof, ProofVerifier, Unverified
from vestibule_session.proof import Proved, signed_text

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/proof.json").read_text("utf-8"))


def named(vectors: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(vector, id=vector["name"]) for vector in vectors]


def proved(vector: dict[str, Any]) -> Proved:
    return Proved(vector["method"], vector["path"], vector["id"], vector["user"])


def verifier(vector: dict[str, Any], after: float = 0) -> ProofVerifier:
    return ProofVerifier([vector["key"]], clock=lambda: vector["t"] + after)


@pytest.mark.parametrize("vector", named(VECTORS["valid"]))
def test_valid_proof_is_accepted(vector: dict[str, Any]) -> None:
    assert signed_text(proved(vector), str(vector["t"])).decode() == vector["text"]
    verifier(vector).verify_proof(vector["proof"], proved(vector))


@pytest.mark.parametrize("vector", named(VECTORS["invalid"]))
def test_invalid_proof_is_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(Unverified):
        verifier(vector).verify_proof(vector["proof"], proved(vector))


@pytest.mark.parametrize(
    ("after", "is_fresh"), [(60, True), (61, False), (-60, True), (-61, False)]
)
def test_proof_is_valid_for_a_minute_either_way(after: int, is_fresh: bool) -> None:
    vector = VECTORS["valid"][0]
    check = verifier(vector, after)
    if is_fresh:
        check.verify_proof(vector["proof"], proved(vector))
    else:
        with pytest.raises(Unverified, match="60 seconds old"):
            check.verify_proof(vector["proof"], proved(vector))


def test_missing_proof_is_told_from_a_wrong_one() -> None:
    check = verifier(VECTORS["valid"][0])
    with pytest.raises(MissingProof, match="PROOF=true"):
        check.verify_proof(None, proved(VECTORS["valid"][0]))
    assert (MissingProof.status, Unverified.status) == (401, 403)


def test_proofs_by_any_listed_key_are_accepted() -> None:
    vector = VECTORS["valid"][0]
    keys = ["the-key-that-comes-next-of-32-ch!", vector["key"]]
    check = ProofVerifier(keys, clock=lambda: float(vector["t"]))
    check.verify_proof(vector["proof"], proved(vector))


@pytest.mark.parametrize("keys", [[], [""]])
def test_no_key_is_a_fault_of_the_settings(keys: list[str]) -> None:
    with pytest.raises(Misconfigured, match="ORIGIN_KEY"):
        ProofVerifier(keys)
