"""The recorder sees every attempt, also those whose responses urllib3 discards."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse, Retry
from urllib3 import exceptions as urllib3_exceptions

from headgate_verify.exchange import Fault
from headgate_verify.recorder import Recorder

Send = Callable[..., requests.Response]
REQUEST = requests.Request("POST", "http://gate.example/api/x?secret=1").prepare()


def response(status: int, body: bytes = b"", **headers: str) -> requests.Response:
    raw = HTTPResponse(io.BytesIO(body), status=status, headers=headers, preload_content=False)
    return HTTPAdapter().build_response(REQUEST, raw)


def answering(result: requests.Response | Exception) -> Send:
    def send(_adapter: HTTPAdapter, _request: object, **_options: object) -> requests.Response:
        if isinstance(result, Exception):
            raise result
        return result

    return send


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def send(
    monkeypatch: pytest.MonkeyPatch, recorder: Recorder, result: requests.Response | Exception
) -> requests.Response:
    monkeypatch.setattr(HTTPAdapter, "send", answering(result))
    with recorder.installed():
        return HTTPAdapter().send(REQUEST)


def test_an_error_response_is_kept_and_stays_readable(
    monkeypatch: pytest.MonkeyPatch, recorder: Recorder
) -> None:
    refusal = response(401, b'{"message": "no key"}', **{"X-Headgate-Reason": "unauthenticated"})
    given = send(monkeypatch, recorder, refusal)
    assert recorder.last is not None
    assert (recorder.last.status, recorder.last.message) == (401, "no key")
    assert recorder.last.reason == "unauthenticated"
    assert str(recorder.last) == "POST /api/x"
    assert given.json() == {"message": "no key"}


def test_the_body_of_a_good_response_is_left_to_the_client(
    monkeypatch: pytest.MonkeyPatch, recorder: Recorder
) -> None:
    """It may be a download of many gigabytes."""
    given = send(monkeypatch, recorder, response(200, b"data"))
    assert given.raw.read() == b"data"


def test_what_kept_a_request_from_being_sent_is_kept(
    monkeypatch: pytest.MonkeyPatch, recorder: Recorder
) -> None:
    with pytest.raises(requests.exceptions.InvalidURL):
        send(monkeypatch, recorder, requests.exceptions.InvalidURL("no host"))
    assert recorder.last is not None
    assert recorder.last.fault is Fault.OTHER


def test_a_response_that_urllib3_discards_is_kept(recorder: Recorder) -> None:
    """After its last attempt it raises an error that names the status alone."""
    discarded = HTTPResponse(
        io.BytesIO(b'{"message": "MLflow is down"}'),
        status=503,
        headers={"X-Headgate-Reason": "no_endpoint"},
        preload_content=False,
    )
    with recorder.installed(), pytest.raises(urllib3_exceptions.MaxRetryError):
        Retry(0).increment("POST", "/api/x", response=discarded)
    assert recorder.last is not None
    assert (recorder.last.status, recorder.last.reason) == (503, "no_endpoint")
    assert recorder.last.message == "MLflow is down"


def test_an_error_seen_by_urllib3_is_not_recorded_twice(
    monkeypatch: pytest.MonkeyPatch, recorder: Recorder
) -> None:
    def sending(_adapter: HTTPAdapter, _request: object) -> requests.Response:
        pool = HTTPConnectionPool("gate.example")
        error = urllib3_exceptions.ReadTimeoutError(pool, "/api/x", "timed out")
        try:
            Retry(0, allowed_methods=None).increment("POST", "/api/x", error=error)
        except urllib3_exceptions.MaxRetryError as given_up:
            raise requests.ConnectionError(given_up) from None
        raise AssertionError

    monkeypatch.setattr(HTTPAdapter, "send", sending)
    with recorder.installed(), pytest.raises(requests.ConnectionError):
        HTTPAdapter().send(REQUEST)
    assert [exchange.fault for exchange in recorder.repeated] == [Fault.READ_TIMEOUT]
    assert recorder.last is recorder.repeated[0]


def test_the_latest_failure_is_preferred_to_a_later_success(
    monkeypatch: pytest.MonkeyPatch, recorder: Recorder
) -> None:
    """MLflow's downloads run side by side: the one that failed need not be the last."""
    send(monkeypatch, recorder, response(500))
    send(monkeypatch, recorder, response(200))
    assert recorder.last is not None
    assert recorder.last.status == 200
    assert recorder.last_failed is not None
    assert recorder.last_failed.status == 500


def test_a_step_begins_without_memories(
    monkeypatch: pytest.MonkeyPatch, recorder: Recorder
) -> None:
    send(monkeypatch, recorder, response(500))
    recorder.clear()
    assert recorder.last is None
    assert recorder.last_failed is None
    assert recorder.repeated == ()


def test_the_libraries_are_left_as_they_were(recorder: Recorder) -> None:
    before = HTTPAdapter.send, Retry.increment
    with recorder.installed():
        pass
    assert (HTTPAdapter.send, Retry.increment) == before
