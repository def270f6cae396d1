"""What the health pages are shown."""

from __future__ import annotations

import json
from dataclasses import asdict

from headgate.cluster import Result
from tests.unit.cluster.scene import Scene, endpoint


def test_a_snapshot_is_ready_for_json_in_every_state() -> None:
    scene = Scene("abcde")
    scene.discovery_fails()
    scene.requests_fail("a")
    scene.falls_ill("b")
    scene.cluster.acquire(endpoint("c"))
    scene.finds("abdef", zones="xxxxx")
    scene.clock.advance(2)
    snapshot = scene.cluster.snapshot(scene.clock(), waiting=3)
    shown = json.loads(json.dumps(asdict(snapshot), allow_nan=False))
    assert [
        (one["endpoint"], one["state"], one["state_seconds"]) for one in shown["endpoints"]
    ] == [
        ("a:5000", "ejected", 2),
        ("b:5000", "unhealthy", 2),
        ("c:5000", "draining", 2),
        ("d:5000", "healthy", 12),
        ("e:5000", "healthy", 12),
        ("f:5000", "unprobed", 2),
    ]
    assert (shown["upstream"], shown["available"], shown["in_flight"]) == ("default", 3, 1)
    assert (shown["waiting"], shown["retries"], shown["failing_open"]) == (3, 0, False)


def test_each_state_has_its_reason() -> None:
    scene = Scene("abcd")
    scene.requests_fail("a")
    scene.falls_ill("b")
    scene.finds("abde")
    assert [scene.of(name).reason for name in "abcde"] == [
        "3 failures in a row, the last: refused",
        "503",
        "no longer named by dns mlflow.internal",
        "200",
        "named by dns mlflow.internal, not probed yet",
    ]


def test_room_and_results_are_shown() -> None:
    scene = Scene("a", max_in_flight=2)
    scene.request("a", Result.OK)
    scene.request("a", Result.ERROR_STATUS)
    scene.fill("a")
    seen = scene.of("a")
    assert (seen.in_flight, seen.max_in_flight, seen.available) == (2, 2, False)
    assert {result: count for result, count in seen.results.items() if count} == {
        "ok": 1,
        "error_status": 1,
    }


def test_a_source_that_never_answered_has_no_age() -> None:
    scene = Scene()
    scene.discovery_fails()
    [source] = scene.cluster.snapshot(scene.clock()).sources
    assert scene.cluster.snapshot(scene.clock()).waiting == 0
    assert (source.age_seconds, source.ttl, source.endpoints) == (None, None, 0)
    assert not scene.cluster.snapshot(scene.clock()).failing_open
