"""What answers of MLflow's to the gate itself are taken for, and what is said to help."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from headgate.contract.diagnosis import (
    ARTIFACTS,
    CREDENTIALS_CURE,
    DATABASE_CURE,
    HOST_CURE,
    MAX_SAID,
    PAGE_CURE,
    PERMISSION_CURE,
    STORE_CURE,
    AskError,
    NoSuchRouteError,
    expect,
    parse,
)
from headgate.reasons import Reason

SEARCH = "/api/2.0/mlflow/experiments/search"
PAGE = b"<!doctype html><title>500</title>"
LOST = b'{"error_code": "TEMPORARILY_UNAVAILABLE", "message": "connection to\\n\\tserver failed"}'


class Said(NamedTuple):
    """What MLflow answers."""

    status: int
    body: bytes


def failure(status: int, body: bytes, target: str = SEARCH) -> AskError:
    with pytest.raises(AskError) as caught:
        expect(Said(status, body), "GET", target)
    return caught.value


@pytest.mark.parametrize(
    ("status", "body", "reason", "cure"),
    [
        (401, b"<html>You are not authenticated", Reason.UPSTREAM_CREDENTIALS, CREDENTIALS_CURE),
        (401, b"{}", Reason.UPSTREAM_CREDENTIALS, CREDENTIALS_CURE),
        (403, b"Invalid Host header - p", Reason.UPSTREAM_HOST_REFUSED, HOST_CURE),
        (403, b"Permission denied", Reason.UPSTREAM_CREDENTIALS, PERMISSION_CURE),
        (403, PAGE, Reason.UPSTREAM_NOT_JSON, PAGE_CURE),
        (302, PAGE, Reason.UPSTREAM_NOT_JSON, PAGE_CURE),
        (500, LOST, Reason.UPSTREAM_ERROR, DATABASE_CURE),
        (503, b"", Reason.UPSTREAM_ERROR, DATABASE_CURE),
    ],
)
def test_each_failure_has_its_reason_and_its_cure(
    status: int, body: bytes, reason: Reason, cure: str
) -> None:
    error = failure(status, body)
    assert (error.reason, error.cure) == (reason, cure)
    assert str(error).startswith(f"GET {SEARCH} answered {status}: ")


def test_what_mlflow_says_is_told_in_one_line() -> None:
    assert str(failure(503, LOST)).endswith(": connection to server failed")
    assert str(failure(500, PAGE)).endswith(": a web page")
    assert len(str(failure(500, b"x" * 5000))) < MAX_SAID + 100


def test_artifacts_have_another_cure() -> None:
    assert failure(500, b"{}", f"{ARTIFACTS}?path=a").cure == STORE_CURE


def test_a_route_that_is_missing_is_told_from_the_rest() -> None:
    assert isinstance(failure(404, PAGE), NoSuchRouteError)


def test_a_page_is_no_json() -> None:
    with pytest.raises(AskError, match="a web page") as caught:
        parse(Said(200, PAGE), "GET", SEARCH)
    assert caught.value.reason is Reason.UPSTREAM_NOT_JSON
    assert parse(Said(200, b'{"a": 1}'), "GET", SEARCH) == {"a": 1}
