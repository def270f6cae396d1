"""What MLflow's real clients survive is what the rule for ``Retry-After`` counts on."""

from __future__ import annotations

import pytest

from headgate.maintenance.client_limits import MLFLOW, PLAIN_OTLP, retry_after
from tests.support.mlflow_versions import CURRENT
from tests.support.parked_clients_calls import KINDS
from tests.support.parked_clients_measure import VERSIONS, Finding, measure, script
from tests.support.parked_clients_standin import Attempt

OTLP = "plain OTLP"
UPLOAD = {"UPLOAD_BYTES": str(64 << 20)}


def assert_all_attempts(found: Finding, after: float) -> None:
    """It tried as often as the rule counts on, waited as it was asked to, and then gave up."""
    assert len(found.requests) == MLFLOW.attempts
    assert found.sleeps == (after,) * (MLFLOW.attempts - 1)
    assert len({each.digest for each in found.requests}) == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_a_create_is_tried_eight_times_and_waits_as_asked(version: str) -> None:
    after = retry_after(240, held=False)
    found = measure(
        version, "create run", script("create run", last=Attempt(retry_after=f"{after}"))
    )
    assert_all_attempts(found, after)
    assert not found.ok


@pytest.mark.long
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != OTLP])
def test_each_call_succeeds_at_its_eighth_attempt(version: str, kind: str) -> None:
    refused = (Attempt(retry_after="30"),) * (MLFLOW.attempts - 1)
    found = measure(version, kind, script(kind, *refused))
    assert found.ok, found.error
    assert found.sleeps == (30.0,) * (MLFLOW.attempts - 1)


@pytest.mark.parametrize("after", ["1000000", "1.5"])
def test_what_a_client_makes_of_odd_values(after: str) -> None:
    """Why the gate sends whole seconds, and fewer than the client's own maximum."""
    found = measure(CURRENT, "search", script("search", Attempt(retry_after=after)))
    whole = after.isdigit()
    assert found.ok is whole
    assert found.sleeps == ((MLFLOW.longest_retry_after,) if whole else ())


@pytest.mark.parametrize("version", VERSIONS)
def test_an_upload_refused_in_the_middle_of_its_body_is_sent_again_whole(version: str) -> None:
    refused = (Attempt(1.0, retry_after="7", body="after response"),) * 2
    found = measure(version, "upload", script("upload", *refused), environment=UPLOAD)
    assert found.ok, found.error
    assert found.sleeps == (7.0, 7.0)
    assert [each.size for each in found.requests] == [64 << 20] * 3
    assert len({each.digest for each in found.requests}) == 1


@pytest.mark.parametrize(("after", "ok"), [("1", True), ("30", False)])
def test_a_plain_exporter_comes_back_only_within_its_ten_seconds(after: str, ok: bool) -> None:
    found = measure(CURRENT, OTLP, script(OTLP, Attempt(retry_after=after)))
    assert found.ok is ok
    assert len(found.requests) == 1 + ok


@pytest.mark.long
@pytest.mark.parametrize(("hold", "requests"), [(100.0, 1), (MLFLOW.silence + 1, 2)])
def test_a_hold_within_the_clients_time_out_is_one_request(hold: float, requests: int) -> None:
    """Longer ones are repeated, while MLflow would do the first one all the same."""
    found = measure(CURRENT, "create run", script("create run", Attempt(hold, 200)), skip=False)
    assert found.ok, found.error
    assert len(found.requests) == requests


@pytest.mark.long
def test_a_body_that_is_not_read_during_the_hold_arrives_whole() -> None:
    held = script("upload", Attempt(100.0, 200, body="after hold"))
    found = measure(CURRENT, "upload", held, skip=False, environment=UPLOAD)
    assert found.ok, found.error
    assert [each.size for each in found.requests] == [64 << 20]


@pytest.mark.long
@pytest.mark.parametrize(("hold", "ok"), [(8.0, True), (PLAIN_OTLP.silence + 1, False)])
def test_a_plain_exporter_survives_a_hold_below_its_ten_seconds(hold: float, ok: bool) -> None:
    assert measure(CURRENT, OTLP, script(OTLP, Attempt(hold, 200)), skip=False).ok is ok
