"""What answers of MLflow's to the gate itself are taken for, and what is said to help."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from headgate.contract.diagnosis import (
    ARTIFACTS,
    MAX_SAID,
    AskError,
    NoSuchRouteError,
    expect,
    health_failure,
    parse,
)
from headgate.symptoms import ResponseFailure

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
    ("status", "body", "symptom"),
    [
        (401, b"<html>You are not authenticated", ResponseFailure.CREDENTIALS_WANTED),
        (401, b"{}", ResponseFailure.CREDENTIALS_WANTED),
        (403, b"Invalid Host header - p", ResponseFailure.HOST_REFUSED),
        (403, b"Permission denied", ResponseFailure.PERMISSION_DENIED),
        (403, PAGE, ResponseFailure.WEB_PAGE),
        (302, PAGE, ResponseFailure.WEB_PAGE),
        (500, LOST, ResponseFailure.DATABASE),
        (503, b"", ResponseFailure.DATABASE),
    ],
)
def test_what_a_response_says_is_wrong(status: int, body: bytes, symptom: ResponseFailure) -> None:
    error = failure(status, body)
    assert error.symptom is symptom
    assert str(error).startswith(f"GET {SEARCH} responded {status}: ")


@pytest.mark.parametrize(
    ("status", "body", "symptom"),
    [
        (200, b"OK", None),
        (200, PAGE, ResponseFailure.WEB_PAGE),
        (302, b"", ResponseFailure.REDIRECT),
        (404, PAGE, ResponseFailure.BASE_PATH),
        (418, b"teapot", ResponseFailure.WEB_PAGE),
        (500, PAGE, ResponseFailure.WEB_PAGE),
        (503, b"not yet", ResponseFailure.FAILING),
    ],
)
def test_what_a_response_to_a_health_check_says(
    status: int, body: bytes, symptom: ResponseFailure | None
) -> None:
    assert health_failure(Said(status, body)) is symptom


def test_a_message_of_mlflow_is_reported_in_one_line() -> None:
    assert str(failure(503, LOST)).endswith(": connection to server failed")
    assert str(failure(500, PAGE)).endswith(": a web page")
    assert len(str(failure(500, b"x" * 5000))) < MAX_SAID + 100


def test_artifacts_have_another_symptom() -> None:
    assert failure(500, b"{}", f"{ARTIFACTS}?path=a").symptom is ResponseFailure.ARTIFACT_STORE


def test_a_route_that_is_missing_is_told_from_the_rest() -> None:
    assert isinstance(failure(404, PAGE), NoSuchRouteError)


def test_a_page_is_no_json() -> None:
    with pytest.raises(AskError, match="a web page") as caught:
        parse(Said(200, PAGE), "GET", SEARCH)
    assert caught.value.symptom is ResponseFailure.WEB_PAGE
    assert parse(Said(200, b'{"a": 1}'), "GET", SEARCH) == {"a": 1}
