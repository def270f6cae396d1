"""One gate with two workers is parked: with its key store in SQLite, and without any keys."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.gate import create_key, running_gate
from tests.support.parked_gates import (
    FOLLOWED_SECONDS,
    PATIENCE,
    parked,
    refused,
    released,
    requests_under_way,
    upstream_of,
)
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed
from tests.support.two_gates import READ, call, called
from tests.support.waiting import seconds_until

WORKERS = {"HEADGATE_LISTEN__WORKERS": "2"}
LABELS = ("default", "batch")


@pytest.fixture
def upstream() -> Iterator[RecordingUpstream]:
    with RecordingUpstream(fixed(b"{}")) as running:
        yield running


def reads(upstream: RecordingUpstream) -> int:
    return sum(READ.encode() in each.request_line for each in upstream.requests)


def configuration(folder: Path, **upstreams: Mapping[str, object]) -> dict[str, str]:
    """A file with these upstreams, and the environment that names it."""
    lines = []
    for name, settings in upstreams.items():
        lines.append(f"[upstreams.{name}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    file = folder / "headgate.toml"
    draft = folder / "headgate.toml.new"
    draft.write_text("\n".join(lines) + "\n")
    draft.replace(file)
    return {"HEADGATE_CONFIG": str(file), **WORKERS}


def test_a_gate_that_is_restarted_while_parked_is_parked_still(
    tmp_path: Path, upstream: RecordingUpstream
) -> None:
    admin = create_key(tmp_path / "data", "admin", ["admin"])
    with running_gate(tmp_path, upstream.url, WORKERS) as gate:
        parked(gate, admin, seconds=300, sentence="tea")
        (one,) = upstream_of(gate, admin)["gates"]
    with (
        running_gate(tmp_path, upstream.url, WORKERS) as gate,
        requests_under_way(gate, admin, 8) as held,
    ):
        seconds_until(lambda: bool(upstream_of(gate, admin)["drained"]), FOLLOWED_SECONDS)
        shown = upstream_of(gate, admin)
        assert shown["park"]["sentence"] == "tea"
        assert [each["id"] == one["id"] for each in shown["gates"]] == [False]
        seconds_until(
            lambda: upstream_of(gate, admin)["gates"][0]["waiting"] == 8, FOLLOWED_SECONDS
        )
        assert reads(upstream) == 0
        released(gate, admin)
        assert [each.result(PATIENCE).status for each in held] == [200] * 8


def test_without_keys_it_is_parked_in_memory_alone(
    tmp_path: Path, upstream: RecordingUpstream
) -> None:
    settings = WORKERS | {"HEADGATE_AUTH__MODE": "none"}
    with running_gate(tmp_path, upstream.url, settings) as gate:
        assert not (tmp_path / "data" / "keys.sqlite").exists()
        parked(gate, "", seconds=300)
        with requests_under_way(gate, "", 8) as held:
            seconds_until(
                lambda: upstream_of(gate, "")["gates"][0]["waiting"] == 8, FOLLOWED_SECONDS
            )
            assert reads(upstream) == 0
            assert "is parked by" in refused(gate, "", "/upstreams/default/park")
            released(gate, "")
            assert [each.result(PATIENCE).status for each in held] == [200] * 8
        called(gate, "", "POST", "/upstreams/default/read-only", {"on": True})
        seconds_until(lambda: bool(upstream_of(gate, "")["acknowledged"]), FOLLOWED_SECONDS)
        write = gate.ask("POST", "/api/2.0/mlflow/experiments/create", body=b'{"name": "a"}')
        assert (write.status, write.get("X-Headgate-Reason")) == (429, "read_only")
        assert gate.ask("GET", READ).status == 200


def test_a_reload_keeps_what_is_parked(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """Its settings change, another upstream comes and goes, and one that was asked of goes."""
    admin = create_key(tmp_path / "data", "admin", ["admin"])
    default = {"url": upstream.url}
    batch = {"url": upstream.url, "prefixes": ["/batch"]}
    environment = configuration(tmp_path, default=default, batch=batch)
    with running_gate(tmp_path, None, environment) as gate:
        parked(gate, admin, seconds=300)
        called(gate, admin, "POST", "/upstreams/batch/park", {"seconds": 300})
        with requests_under_way(gate, admin, 4) as held:
            seconds_until(
                lambda: upstream_of(gate, admin)["gates"][0]["waiting"] == 4, FOLLOWED_SECONDS
            )
            configuration(tmp_path, default=default | {"connect_timeout": 7})
            os.kill(gate.process.pid, signal.SIGHUP)
            gate.event("upstream_retired", 4)  # both of them, in both workers
            with requests_under_way(gate, admin, 4) as more:
                seconds_until(
                    lambda: upstream_of(gate, admin)["gates"][0]["waiting"] == 8, FOLLOWED_SECONDS
                )
                assert reads(upstream) == 0
                assert upstream_of(gate, admin)["drained"]
                # One that is no longer configured can be unparked, and is not served.
                found = called(gate, admin, "GET", "/upstreams")["upstreams"]
                assert [each["name"] for each in found] == list(LABELS)
                called(gate, admin, "POST", "/upstreams/batch/unpark")
                assert call(gate, admin, "POST", "/upstreams/nope/park", {}).status == 404
                released(gate, admin)
                statuses = [each.result(PATIENCE).status for each in (*held, *more)]
                assert statuses == [200] * 8


def test_a_gate_whose_store_is_gone_asks_for_nothing_twice(
    tmp_path: Path, upstream: RecordingUpstream
) -> None:
    """One event, however often it looks; and what is parked stays so."""
    admin = create_key(tmp_path / "data", "admin", ["admin"])
    with running_gate(tmp_path, upstream.url, WORKERS) as gate:
        parked(gate, admin, seconds=300)
        store = gate.data / "keys.sqlite"
        store.rename(gate.data / "away.sqlite")
        gate.event("maintenance_not_followed")
        with requests_under_way(gate, admin, 4) as held:
            assert "nothing was done" in refused(gate, admin, "/upstreams/default/unpark")
            assert not any(each.done() for each in held)
            (gate.data / "away.sqlite").rename(store)
            gate.event("maintenance_followed")
            released(gate, admin)
            assert [each.result(PATIENCE).status for each in held] == [200] * 4
        named = [each["event"] for each in gate.events()]
        assert named.count("maintenance_not_followed") == 1
