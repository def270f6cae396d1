"""Log levels of a running gate: in all its processes, for a while, and with who did it."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gate import Gate, bearer, create_key, running_gate
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed
from tests.support.waiting import seconds_until
from tests.support.workers import kill_worker, worker_pids

SECONDS = 30.0


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[tuple[Gate, str]]:
    """A gate of two workers, and an administrator's key."""
    key = create_key(tmp_path / "data", "levels", ["admin"])
    with (
        RecordingUpstream(fixed()) as upstream,
        running_gate(tmp_path, upstream.url, {"HEADGATE_LISTEN__WORKERS": "2"}) as running,
    ):
        yield running, key


def change(gate: Gate, key: str, path: str, **body: object) -> dict[str, str]:
    response = gate.ask(
        "POST",
        f"/-/api/v1/log-levels{path}",
        "Content-Type: application/json",
        key=key,
        body=json.dumps(body).encode(),
    )
    assert response.status == 200
    return {each["module"]: each["level"] for each in json.loads(response.body)["modules"]}


def logs_identified(gate: Gate, key: str, pid: int) -> bool:
    """Send a request; whether this worker has logged whose one was."""
    gate.ask("GET", "/version", bearer(key))
    return any(
        each["event"] == "sender_identified" and each["pid"] == pid for each in gate.events()
    )


def test_a_level_holds_in_every_worker_also_in_one_that_comes_later(
    gate: tuple[Gate, str],
) -> None:
    running, key = gate
    assert change(running, key, "", module="auth", level="debug", seconds=600)["auth"] == "debug"
    event = running.event("log_level_set")
    assert (event["module"], event["set_to"], event["seconds"]) == ("auth", "debug", 600)
    assert event["actor"] == "levels"
    assert event["credential"].startswith("k_")
    first, other = worker_pids(running.process)
    seconds_until(lambda: logs_identified(running, key, first), SECONDS)
    seconds_until(lambda: logs_identified(running, key, other), SECONDS)
    replacement = kill_worker(running.process, first, signal.SIGKILL)
    seconds_until(lambda: logs_identified(running, key, replacement), SECONDS)
    lines = [each for each in running.events() if each["event"] == "sender_identified"]
    assert lines[0]["roles"] == ["admin"]
    assert lines[0]["level"] == "debug"
    assert not any(key in json.dumps(each) for each in running.events())


def test_a_level_ends_by_itself_and_by_a_reset(gate: tuple[Gate, str]) -> None:
    running, key = gate
    change(running, key, "", module="routing", level="debug", seconds=1)
    assert running.event("log_level_ended")["module"] == "routing"
    change(running, key, "", module="cluster", level="error", seconds=600)
    assert set(change(running, key, "/reset", module="all").values()) == {"info"}
    assert running.event("log_level_set", 3)["module"] == "all"


def test_a_viewer_sees_levels_and_sets_none(gate: tuple[Gate, str]) -> None:
    running, _ = gate
    key = running.create_key("viewer", ["viewer"])
    seconds_until(
        lambda: running.ask("GET", "/-/api/v1/log-levels", key=key).status == 200, SECONDS
    )
    for path in ("", "/reset"):
        response = running.ask(
            "POST",
            f"/-/api/v1/log-levels{path}",
            "Content-Type: application/json",
            key=key,
            body=b'{"module":"auth","level":"debug"}',
        )
        # Each worker learns of the key by itself.
        assert response.status in {401, 403}
