"""What a probe asks MLflow for, how often, and what it makes of the responses."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from headgate.cluster import ProbeResult
from headgate.dataplane.call import CallError, CallFailure, CallResponse
from headgate.model import Api, Endpoint
from headgate.testing.clock import ManualClock
from headgate.upstreams.known_answers import SERVER_INFO
from headgate.upstreams.probe import LOOK_AGAIN_SECONDS, Prober

ENDPOINT = Endpoint("10.0.0.7", 5000)
HEALTH, VERSION = b"/ml/health", b"/ml/version"
REFUSED = CallResponse(403, b"", b"Invalid Host header - possible DNS rebinding attack detected")
WHOLE = [HEALTH, VERSION, SERVER_INFO]


class MLflow:
    """Responds as the test says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.responses: dict[bytes, CallResponse | None] = {
            VERSION: CallResponse(200, b"", b"3.17.2\n")
        }
        self.clock = ManualClock()
        self.prober = Prober(b"/ml", (), lambda _method, target: target, self.clock)

    async def ask(
        self, target: bytes, *, method: bytes = b"GET", body: bytes = b""
    ) -> CallResponse:
        self.asked.append(target)
        response = self.responses.get(target, CallResponse(200, b"", b"{}"))
        if response is None:
            raise CallError(CallFailure.TIMEOUT, "no response within 2 s")
        return response

    def probed(self) -> tuple[ProbeResult, Sequence[bytes]]:
        """One probe, and what was asked for it."""
        self.asked.clear()
        result = asyncio.run(self.prober.probe(ENDPOINT, self.ask))
        return result, list(self.asked)


@pytest.fixture
def mlflow() -> MLflow:
    return MLflow()


def test_what_stays_is_looked_at_now_and_then(mlflow: MLflow) -> None:
    result, asked = mlflow.probed()
    assert (result.ok, result.version, asked) == (True, "3.17.2", WHOLE)
    mlflow.clock.advance(LOOK_AGAIN_SECONDS - 1)
    result, asked = mlflow.probed()
    assert (result.ok, result.version, asked) == (True, None, [HEALTH])
    mlflow.clock.advance(1)
    assert mlflow.probed()[1] == WHOLE


def test_after_a_failure_everything_is_looked_at(mlflow: MLflow) -> None:
    """Another server may have taken its place."""
    mlflow.probed()
    mlflow.responses[HEALTH] = None
    result, asked = mlflow.probed()
    assert (result.ok, result.reason) == (False, "GET /health: no response within 2 s")
    assert asked == [HEALTH]
    del mlflow.responses[HEALTH]
    assert mlflow.probed()[1] == WHOLE


def test_a_host_that_is_refused_is_no_health(mlflow: MLflow) -> None:
    mlflow.responses[SERVER_INFO] = REFUSED
    for _ in range(3):  # it is not forgotten in between
        result, asked = mlflow.probed()
        assert (result.ok, asked) == (False, WHOLE)
        assert "Host check" in result.reason
    del mlflow.responses[SERVER_INFO]
    assert mlflow.probed()[0].ok


@pytest.mark.parametrize(
    "response", [None, CallResponse(404, b"", b"<html>"), CallResponse(401, b"", b"")]
)
@pytest.mark.parametrize("target", [VERSION, SERVER_INFO])
def test_what_an_older_mlflow_does_not_tell_is_no_failure(
    target: bytes, response: CallResponse | None, mlflow: MLflow
) -> None:
    mlflow.responses[target] = response
    assert mlflow.probed()[0].ok


def test_the_chosen_apis_are_used_each_time() -> None:
    mlflow = MLflow()
    mlflow.prober = Prober(b"/ml", [Api.MODELS], lambda _method, target: target, mlflow.clock)
    for _ in range(2):
        result, asked = mlflow.probed()
        assert (result.ok, set(result.apis)) == (True, {Api.MODELS})
        assert any(b"registered-models" in target for target in asked)
