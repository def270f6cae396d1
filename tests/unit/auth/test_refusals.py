"""What a client reads when its credential is refused."""

from __future__ import annotations

import re

import pytest

from headgate.auth import refusals
from headgate.auth.refusals import for_client
from headgate.errors import Refusal
from headgate.reasons import Reason

EVERY = {name: value for name, value in vars(refusals).items() if isinstance(value, Refusal)} | {
    "revoked": refusals.revoked("ci", "k_1"),
    "expired": refusals.expired("ci", "k_1"),
}

REASONS = {
    "UNKNOWN": Reason.KEY_UNKNOWN,
    "revoked": Reason.KEY_REVOKED,
    "expired": Reason.KEY_EXPIRED,
}


@pytest.mark.parametrize("name", EVERY)
def test_a_refusal_is_one_sentence_that_says_who_and_what_to_set(name: str) -> None:
    refusal = EVERY[name]
    if refusal.reason is Reason.KEYS_STALE:
        pytest.skip("nothing that the client could set would help")
    assert refusal.reason is REASONS.get(name, Reason.UNAUTHENTICATED)
    assert refusal.code == 401
    assert refusal.challenge
    assert re.fullmatch(
        r"Headgate refused the request: [^.;]+; [^.]*set MLFLOW_TRACKING_TOKEN=<key>, or "
        r"MLFLOW_TRACKING_USERNAME=<any name> and MLFLOW_TRACKING_PASSWORD=<key>\.",
        refusal.message,
    )


@pytest.mark.parametrize("refusal", [refusals.KEYS_STALE, refusals.KEYS_NOT_READ])
def test_keys_that_are_too_old_are_the_gates_fault_and_to_be_tried_again(refusal: Refusal) -> None:
    assert (refusal.code, refusal.challenge, refusal.retry_after) == (503, False, 5)
    assert "try again" in refusal.message
    assert for_client(refusal, b"Basic x", b"mlflow-python-client/1.0") == refusal


def test_a_key_of_a_disabled_principal_names_both() -> None:
    refusal = refusals.disabled("ci", "k_1", "team a", "p_1")
    assert (refusal.reason, refusal.code) == (Reason.PRINCIPAL_DISABLED, 401)
    assert "'ci' (k_1), belongs to 'team a' (p_1), which is disabled" in refusal.message


def test_no_two_refusals_read_the_same() -> None:
    assert len({refusal.message for refusal in EVERY.values()}) == len(EVERY) >= 14


@pytest.mark.parametrize("name", EVERY)
def test_a_phrase_is_short_fixed_and_safe_in_a_status_line(name: str) -> None:
    phrase = EVERY[name].phrase
    assert re.fullmatch(r"[A-Za-z][A-Za-z -]{5,60}", phrase)


@pytest.mark.parametrize(
    ("agent", "error_code"),
    [
        ("mlflow-python-client/1.30.1", "CUSTOMER_UNAUTHORIZED"),
        ("mlflow-python-client/0.9", "CUSTOMER_UNAUTHORIZED"),
        ("mlflow-python-client/2.2.2", "CUSTOMER_UNAUTHORIZED"),
        ("mlflow-python-client/2.3.0", ""),
        ("mlflow-python-client/2.22.5", ""),
        ("mlflow-python-client/3.17.2", ""),
        ("mlflow-python-client/x", ""),
        ("curl/8 mlflow-python-client/1.0", ""),
        ("", ""),
    ],
)
def test_old_clients_get_a_code_that_they_know(agent: str, error_code: str) -> None:
    """RestException of 1.30.1 and 2.2.2 raises ValueError for UNAUTHENTICATED, that of 2.3 not."""
    for authorization in (None, b"Bearer x"):
        told = for_client(refusals.NO_KEY, authorization, agent.encode())
        assert told.error_code == error_code
        assert (told.message, told.code) == (refusals.NO_KEY.message, 401)


def test_after_basic_mlflows_client_hears_of_netrc() -> None:
    agent = b"mlflow-python-client/3.17.2"
    told = for_client(refusals.FOREIGN, b" basic YTpi", agent)
    assert told.message.startswith(refusals.FOREIGN.message)
    assert "~/.netrc" in told.message
    assert for_client(refusals.FOREIGN, b"Basic YTpi", b"curl/8") == refusals.FOREIGN
    assert for_client(refusals.FOREIGN, b"Bearer x", agent) == refusals.FOREIGN
