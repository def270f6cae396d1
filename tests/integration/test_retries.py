"""What a live gate sends again, and how it is bounded: the upstream counts what reaches it."""

from __future__ import annotations

import json
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from headgate.testing.fault_proxy import Fault, FaultProxy
from tests.support.gate import bearer, create_key, running_gate
from tests.support.patience import patience
from tests.support.raw import RawResponse, request_head
from tests.support.recording_upstream import Exchange, RecordingUpstream, Script
from tests.support.scripts import broken_off, fixed, held, routed, silent

UPSTREAM = "HEADGATE_UPSTREAMS__DEFAULT__"
READ = "/api/2.0/mlflow/runs/get"
CREATE = "/api/2.0/mlflow/runs/create"
JSON = "Content-Type: application/json"
CLIENTS = 40
SHARE, MINIMUM = 0.2, 3  # the defaults
SECONDS = 30.0


def told(response: RawResponse) -> tuple[int, str | None, str]:
    """Status, reason code and message of a refusal."""
    message: str = json.loads(response.body)["message"]
    return response.status, response.get("X-Headgate-Reason"), message


def test_when_everything_fails_the_repeats_stay_within_the_budget(tmp_path: Path) -> None:
    """All first attempts fail together while as many clients wait; each repeat is held to count."""
    fail, go_on = threading.Event(), threading.Event()
    first: list[Script] = [held(fail, broken_off())] * CLIENTS
    key = create_key(tmp_path / "data", "client")
    with ExitStack() as stack:
        stack.callback(go_on.set)
        upstream = stack.enter_context(RecordingUpstream(*first, held(go_on, fixed())))
        gate = stack.enter_context(running_gate(tmp_path, upstream.url))
        clients = [stack.enter_context(gate.connect()) for _ in range(CLIENTS)]
        for client in clients:
            client.send(request_head("GET", READ, bearer(key)))
        upstream.wait_until(lambda: len(upstream.requests) == CLIENTS)
        fail.set()

        def refused() -> list[Any]:
            return [each for each in gate.outcomes() if each["reason"] == "upstream_reset"]

        def settled() -> bool | None:
            repeats = len(upstream.requests) - CLIENTS
            return (repeats + len(refused()) == CLIENTS) or None

        gate.process.wait_until(settled, "each to fail or to be repeated", SECONDS)
        repeats = len(upstream.requests) - CLIENTS
        assert MINIMUM <= repeats <= SHARE * CLIENTS
        page = json.loads(gate.ask("GET", "/-/health", key=key).body)
        assert page["upstreams"][0]["retries"] == repeats
        go_on.set()
        responses = [client.response() for client in clients]
        assert sorted(response.status for response in responses) == [200] * repeats + [502] * (
            CLIENTS - repeats
        )
        for response in responses:
            if response.status == 200:
                continue
            status, reason, message = told(response)
            assert (status, reason, response.get("Retry-After")) == (502, "upstream_reset", "2")
            assert "closed the connection before it responded" in message
            assert "too many requests fail and are sent again already" in message
        assert len(upstream.requests) == CLIENTS + repeats
        assert all("not sent again" in each["detail"] for each in refused())


def test_an_attempt_after_the_first_has_only_the_rest_of_the_time(tmp_path: Path) -> None:
    """A first one, never repeated, is waited for: MLflow may be fetching a large artifact."""
    settings = {f"{UPSTREAM}RETRIES__TOTAL": "2", f"{UPSTREAM}CONNECT_TIMEOUT": "0.5"}
    key = create_key(tmp_path / "data", "client")
    go_on = threading.Event()
    attempts: list[float] = []

    def lost_then_silent(exchange: Exchange) -> None:
        attempts.append(time.monotonic())
        (broken_off() if len(attempts) == 1 else silent)(exchange)

    routes: dict[bytes, Script] = {READ.encode(): lost_then_silent}
    with ExitStack() as stack:
        stack.callback(go_on.set)
        upstream = stack.enter_context(RecordingUpstream(routed(routes, held(go_on, fixed()))))
        gate = stack.enter_context(running_gate(tmp_path, upstream.url, settings))
        patient = stack.enter_context(gate.connect())
        patient.send(request_head("GET", "/api/2.0/mlflow/metrics/get-history", bearer(key)))
        upstream.wait_until(lambda: len(upstream.requests) == 1)
        status, reason, message = told(gate.ask("GET", READ, key=key))
        took = time.monotonic() - attempts[0]
        assert (status, reason) == (504, "upstream_timeout")
        assert "2 attempts have brought no response within 2 s" in message
        assert 1.5 < took < patience(SECONDS)
        assert len(attempts) == 2
        go_on.set()
        assert patient.response().status == 200  # it is older than that


def test_a_request_that_may_have_been_carried_out_is_sent_once(tmp_path: Path) -> None:
    """Whatever becomes of it; but when nothing of it was sent, it goes elsewhere."""
    key = create_key(tmp_path / "data", "client")
    with ExitStack() as stack:
        upstreams = [stack.enter_context(RecordingUpstream(broken_off())) for _ in range(2)]
        proxies = [
            stack.enter_context(FaultProxy("127.0.0.1", 0, (each.host, each.port)))
            for each in upstreams
        ]
        url = ",".join(f"http://127.0.0.1:{proxy.port}" for proxy in proxies)
        gate = stack.enter_context(running_gate(tmp_path, url))

        def arrived() -> int:
            return sum(len(each.requests) for each in upstreams)

        for count in range(1, 6):
            response = gate.ask("POST", CREATE, JSON, key=key, body=b"{}")
            assert told(response)[:2] == (502, "upstream_reset")
            assert arrived() == count
        proxies[0].set(Fault.REFUSE)
        for upstream in upstreams:
            upstream.scripts[:] = [fixed()]
        for count in range(6, 12):
            assert gate.ask("POST", CREATE, JSON, key=key, body=b"{}").status == 200
            assert arrived() == count


def test_repeats_can_be_turned_off(tmp_path: Path) -> None:
    key = create_key(tmp_path / "data", "client")
    settings = {f"{UPSTREAM}RETRIES__ATTEMPTS": "1"}
    with (
        RecordingUpstream(broken_off(), fixed()) as upstream,
        running_gate(tmp_path, upstream.url, settings) as gate,
    ):
        assert told(gate.ask("GET", READ, key=key))[:2] == (502, "upstream_reset")
        assert len(upstream.requests) == 1
