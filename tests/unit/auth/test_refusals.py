"""What a client reads when its credential is refused."""

from __future__ import annotations

import re

import pytest

from headgate.auth import refusals
from headgate.errors import Refusal
from headgate.model import Principal, Reason

EVERY = {name: value for name, value in vars(refusals).items() if isinstance(value, Refusal)} | {
    "revoked": refusals.revoked(Principal("k_1", "ci")),
    "expired": refusals.expired(Principal("k_1", "ci")),
}


@pytest.mark.parametrize("name", EVERY)
def test_a_refusal_is_one_sentence_that_says_who_and_what_to_set(name: str) -> None:
    refusal = EVERY[name]
    assert refusal.reason is Reason.UNAUTHENTICATED
    assert refusal.code == 401
    assert refusal.challenge
    assert re.fullmatch(
        r"Headgate refused the request: [^.;]+; [^.]*set MLFLOW_TRACKING_TOKEN=<key>, or "
        r"MLFLOW_TRACKING_USERNAME=<any name> and MLFLOW_TRACKING_PASSWORD=<key>\.",
        refusal.message,
    )


def test_no_two_refusals_read_the_same() -> None:
    assert len({refusal.message for refusal in EVERY.values()}) == len(EVERY) >= 14
