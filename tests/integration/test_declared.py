"""What a running gate logs and exposes is exactly what is declared."""

from __future__ import annotations

import signal
from pathlib import Path

from headgate.telemetry.metrics import METRICS
from tests.support.declared import check_access_line, check_event_line, check_metrics
from tests.support.scene import running_scene
from tests.support.scripts import fixed

SECONDS = 30.0


def test_lines_and_metrics_of_a_gate_that_serves_refuses_fails_and_stops(tmp_path: Path) -> None:
    settings = {"HEADGATE_LISTEN__WORKERS": "2", "HEADGATE_LISTEN__LAME_DUCK": "0.2"}
    with running_scene(tmp_path, settings) as scene:
        gate = scene.gate
        good = scene.play("good", fixed(b"content"))
        assert gate.ask("GET", good, key=scene.key).status == 200
        assert gate.ask("GET", good).status == 401
        assert gate.ask("GET", "//" + good, key=scene.key).status == 400
        assert gate.ask("GET", "/nowhere/at/all", key=scene.key).status == 404
        with gate.connect() as client:
            client.send(b"\0\0 no request\r\n\r\n")
            assert client.response().status == 400
        page = gate.ask("GET", "/-/metrics", key=scene.key).body.decode()
        gate.process.signal(signal.SIGTERM)
        assert gate.process.wait(SECONDS) == 0
        outcomes, events = gate.outcomes(), gate.events()
    check_metrics(page)
    assert all(f"# TYPE {metric.name} {metric.kind}\n" in page for metric in METRICS)
    assert {"ok", "unauthenticated", "request_ambiguous", "route_unknown", "request_malformed"} <= {
        outcome["reason"] for outcome in outcomes
    }
    for outcome in outcomes:
        check_access_line(outcome)
    assert {"started", "endpoint_added", "stopping", "drained", "stopped"} <= {
        event["event"] for event in events
    }
    for event in events:
        check_event_line(event)
