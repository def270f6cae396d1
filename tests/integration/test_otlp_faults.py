"""A collector that is down, slow or wrong: no request notices, and what is lost is counted."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.gate import create_key, running_gate
from tests.support.otlp_receiver import (
    Behaviour,
    OtlpReceiver,
    hang,
    ok,
    page,
    partial,
    raw,
    status,
)
from tests.support.patience import patience
from tests.support.prometheus import parse
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed
from tests.support.traced_gate import Traced, settings, traced

PROMPT_SECONDS = 5.0
"""Less than any wait for a collector in these tests."""
STOP_SECONDS = 10.0
PARTIAL = partial(1, "too old")


def lost(running: Traced, exporter: str = "otlp_traces") -> dict[str, float]:
    """What was lost so far, by cause."""
    page = running.gate.ask("GET", "/-/metrics", key=running.key).body.decode()
    samples = parse(page)["headgate_telemetry_lost_total"].samples
    found = ((dict(labels), value) for (_, labels), value in samples.items())
    return {each["cause"]: value for each, value in found if each["exporter"] == exporter}


def exports(running: Traced, outcome: str) -> float:
    page = running.gate.ask("GET", "/-/metrics", key=running.key).body.decode()
    family = parse(page)["headgate_telemetry_exports_total"]
    return family.total(exporter="otlp_traces", outcome=outcome)


def wait_for_loss(running: Traced, cause: str, before: float) -> None:
    running.gate.process.wait_until(
        lambda: lost(running).get(cause, 0) > before or None, f"a loss as {cause}", 30
    )


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    """One gate for all; each test leaves a collector behind that takes everything again."""
    folder = tmp_path_factory.mktemp("gate")
    with traced(folder, otlp__timeout="1", otlp__metrics="false") as running:
        yield running


@pytest.mark.parametrize(
    ("behaviour", "cause"),
    [
        (status(400), "refused"),
        (status(401), "refused"),
        (status(404), "refused"),
        (status(500), "refused"),
        (status(307, Location="http://127.0.0.1:1/v1/traces"), "refused"),
        (page, "error"),
        (raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "error"),
        (raw(b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"a" * 70_000), "error"),
        (PARTIAL, "refused"),
    ],
    ids=["400", "401", "404", "500", "redirect", "page", "ssh", "long", "partial"],
)
def test_what_a_collector_refuses_is_lost_and_counted(
    one: Traced, behaviour: Behaviour, cause: str, request: pytest.FixtureRequest
) -> None:
    """It is not sent again: the response would be the same."""
    agent = f"refused/{request.node.callspec.id}"
    before = lost(one).get(cause, 0)
    one.receiver.behaviour = behaviour
    began = time.monotonic()
    assert one.ask(agent).status == 200
    assert time.monotonic() - began < patience(PROMPT_SECONDS)
    wait_for_loss(one, cause, before)
    one.receiver.behaviour = ok
    one.ask(f"{agent}/after")
    one.span(f"{agent}/after")
    assert {each.path for each in one.receiver.requests} == {"/v1/traces"}
    assert agent not in one.spans_after(f"{agent}/after") or behaviour is PARTIAL


def test_failures_are_reported_once_in_a_minute(one: Traced) -> None:
    """After all that the tests before did, or some of it."""
    before = lost(one).get("refused", 0)
    one.receiver.behaviour = status(400)
    for number in range(3):
        one.ask(f"often/{number}")
        wait_for_loss(one, "refused", before + number)
    one.receiver.behaviour = ok
    told = [each for each in one.gate.events() if each["event"] == "export_failed"]
    times = [datetime.fromisoformat(each["time"]) for each in told]
    assert all((later - earlier).total_seconds() > 59 for earlier, later in pairwise(times))


@pytest.mark.parametrize(
    "behaviour",
    [status(429, Retry_After="1"), status(502), status(503), status(504), hang, raw(b"")],
    ids=["429", "502", "503", "504", "hang", "closed"],
)
def test_what_a_collector_may_take_later_is_sent_again(
    one: Traced, behaviour: Behaviour, request: pytest.FixtureRequest
) -> None:
    agent = f"later/{request.node.callspec.id}"
    before, failed = lost(one), exports(one, "failed")
    one.receiver.behaviour = behaviour
    began = time.monotonic()
    assert one.ask(agent).status == 200
    assert time.monotonic() - began < patience(PROMPT_SECONDS)
    one.gate.process.wait_until(
        lambda: exports(one, "failed") > failed or None, "an export that fails", 30
    )
    one.receiver.behaviour = ok
    one.span(agent)
    assert lost(one) == before


def test_a_collector_that_comes_back_gets_what_waited(one: Traced) -> None:
    failed = exports(one, "failed")
    one.receiver.stop()
    for number in range(20):
        assert one.ask(f"down/{number}").status == 200
    one.gate.process.wait_until(
        lambda: exports(one, "failed") > failed or None, "an export that fails", 30
    )
    one.receiver.start()
    for number in range(20):
        one.span(f"down/{number}")


def test_retry_after_is_honoured(tmp_path: Path) -> None:
    with traced(tmp_path, otlp__metrics="false") as running:
        running.receiver.behaviour = status(429, Retry_After="4")
        running.ask("patient/1")
        running.receiver.wait_until(lambda: running.receiver.requests)
        refused = time.monotonic()
        running.receiver.behaviour = ok
        running.span("patient/1")
        assert time.monotonic() - refused > 3.5


def test_a_collector_that_hangs_does_not_hold_up_the_stop(tmp_path: Path) -> None:
    with traced(tmp_path, otlp__timeout="60", otlp__interval="1") as running:
        running.receiver.behaviour = hang
        running.ask("stuck/1")
        began = time.monotonic()
        running.gate.process.signal(signal.SIGTERM)
        assert running.gate.process.wait(30) == 0
        assert time.monotonic() - began < patience(STOP_SECONDS)
        failed = [each for each in running.gate.events() if each["event"] == "export_failed"]
        assert {each["exporter"] for each in failed} >= {"otlp_traces"}


def test_a_gate_starts_while_its_collector_is_down(tmp_path: Path) -> None:
    receiver = OtlpReceiver()
    receiver.start()
    receiver.stop()
    key = create_key(tmp_path / "data", "ci")
    with (
        RecordingUpstream(fixed()) as upstream,
        running_gate(tmp_path, upstream.url, settings(receiver)) as gate,
    ):
        running = Traced(gate, receiver, upstream, key)
        assert running.ask("early/1").status == 200
        assert gate.event("export_failed")["cause"] == "unreachable"
        with receiver:
            running.span("early/1")
            gate.event("export_recovered")
