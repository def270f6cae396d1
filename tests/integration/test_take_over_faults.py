"""A gate that takes over, where one of the two fails or is asked for what cannot be."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.activator import activated, listening_socket
from tests.support.gate import bearer, create_key
from tests.support.ports import free_port
from tests.support.processes import ServerProcess
from tests.support.recording_upstream import RecordingUpstream
from tests.support.successive_gates import (
    COMMAND,
    START_SECONDS,
    STOP_SECONDS,
    Gates,
    event,
    events,
    refusal,
    serves,
    successive_gates,
)
from tests.support.traffic import SEARCH, STORE, Traffic, slow_mlflow
from tests.support.waiting import seconds_until
from tests.support.workers import kill_worker, worker_pids


@pytest.fixture(scope="module")
def upstream() -> Iterator[RecordingUpstream]:
    with RecordingUpstream(slow_mlflow) as running:
        yield running


@pytest.fixture
def gates(tmp_path: Path, upstream: RecordingUpstream) -> Iterator[Gates]:
    with successive_gates(tmp_path, upstream.url) as made:
        yield made


# --- a new gate that fails --------------------------------------------------------------------

FAULTS = {
    "its workers crash at their start": (
        "from headgate.compose import supervisor as it; it.run_worker = lambda *_: os._exit(3)",
        "a worker could not start",
    ),
    "it is killed with the sockets in its hands": (
        "from headgate.compose import supervisor as it; it._clients = lambda *_: die()",
        "",
    ),
    "it is killed before it says that it serves": (
        "from headgate.runtime.takeover import Predecessor as it; it.finish = lambda _: die()",
        "",
    ),
    "one of its workers crashes once it accepts": (
        "from headgate.runtime.link import Link as it; it.ready = lambda _: os._exit(3)",
        "a worker could not start",
    ),
    "it has no memory left": (
        "from headgate.compose import supervisor as it; it.CreatesMemory = fail",
        "Cannot allocate memory",
    ),
}
"""What is changed in the new gate, and what it says."""
PRELUDE = """
import errno, os, signal, sys
def die(): os.kill(os.getpid(), signal.SIGKILL)
def fail(*_): raise OSError(errno.ENOMEM, "Cannot allocate memory")
{fault}
from headgate.cli import main
sys.argv[0] = "headgate"
sys.exit(main())
"""


USUAL = ("it is killed before it says that it serves", "one of its workers crashes once it accepts")
"""Those that every run tries."""


@pytest.mark.parametrize(
    "fault",
    [pytest.param(each, marks=() if each in USUAL else pytest.mark.long) for each in FAULTS],
)
def test_a_new_gate_that_fails_at_any_step_changes_nothing(fault: str, gates: Gates) -> None:
    traffic = Traffic(gates.port, create_key(gates.data, "traffic"))
    old = gates.start(2)
    change, sentence = FAULTS[fault]
    gates.command = (sys.executable, "-c", PRELUDE.format(fault=change), "serve")
    with traffic.going_on():
        traffic.wait_for(newcomer=20, regular=5)
        new = gates.launch("--take-over", listen__workers="2")
        assert new.wait(START_SECONDS) != 0
        event(old, "hand_over_failed")
        traffic.wait_for(newcomer=50, regular=5)
        gates.command = COMMAND
        gates.replace(old, 2)
        traffic.wait_for(newcomer=50, regular=5)
    assert traffic.failures == []
    assert sentence in new.errors.read_text(encoding="utf-8")


def test_a_configuration_with_problems_asks_the_old_gate_nothing(gates: Gates) -> None:
    old = gates.start()
    sentence = refusal(gates.launch("--take-over", limits__connections="many"))
    assert "connections" in sentence
    file = gates.folder / "broken.toml"
    file.write_text("[listen", "utf-8")
    assert "broken.toml" in refusal(gates.launch("--take-over", "--config", str(file)))
    assert events(old, "hand_over_offered") == []
    serves(gates)


@pytest.mark.long
def test_sockets_of_a_service_manager_are_no_reason_to_take_over(gates: Gates) -> None:
    old = gates.start()
    with listening_socket() as held:
        command = (*COMMAND, "--take-over")
        new = gates.stack.enter_context(
            activated(command, {"headgate": held}, gates.settings, gates.folder, "activated")
        )
        assert "restart the service instead" in refusal(new)
    assert events(old, "hand_over_offered") == []
    serves(gates)


# --- an old gate that does something else meanwhile -------------------------------------------


def test_an_old_gate_that_is_being_stopped_can_still_be_taken_over_from(gates: Gates) -> None:
    """In its lame-duck time it serves, and so the new one loses no client."""
    traffic = Traffic(gates.port, create_key(gates.data, "traffic"))
    old = gates.start(2, listen__lame_duck="600")
    with traffic.going_on():
        traffic.wait_for(newcomer=20)
        old.signal(signal.SIGTERM)
        event(old, "lame_duck")
        new = gates.start(2, "--take-over")
        event(old, "handed_over")  # and so the rest of the lame-duck time is of no use
        traffic.wait_for(newcomer=50, upload=1, download=1)
        assert old.wait(STOP_SECONDS) == 0
        traffic.wait_for(newcomer=20)
    assert [each for each in traffic.failures if not each.startswith("regular")] == []
    assert event(new, "taken_over")["died"] is False


@pytest.mark.long
def test_workers_of_the_old_gate_that_die_meanwhile_are_replaced(
    gates: Gates, slow_start: dict[str, str]
) -> None:
    old = gates.start(2)
    new = gates.launch("--take-over", listen__workers="2", **slow_start)
    event(old, "hand_over_offered")
    for pid in worker_pids(old):
        kill_worker(old, pid, signal.SIGKILL)
    event(new, "taken_over")
    event(old, "handed_over")
    serves(gates)
    assert old.wait(STOP_SECONDS) == 0
    serves(gates)


@pytest.fixture
def slow_start(gates: Gates) -> Iterator[dict[str, str]]:
    """Settings with which a start takes some seconds: the name server says nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        yield {
            "upstreams__default__url": "http://mlflow.example.com:5000",
            "upstreams__default__resolver": f"127.0.0.1:{mute.getsockname()[1]}",
        }


def test_newcomers_together_leave_one(gates: Gates) -> None:
    """The second one says so, or takes over from the first."""
    traffic = Traffic(gates.port, create_key(gates.data, "traffic"))
    old = gates.start(2)
    with traffic.going_on():
        traffic.wait_for(newcomer=20)
        new = [gates.launch("--take-over") for _ in range(3)]
        event(old, "handed_over")
        assert seconds_until(lambda: all(map(settled, new)), START_SECONDS) < START_SECONDS
        traffic.wait_for(newcomer=50)
    assert traffic.failures == []
    took = [each for each in new if events(each, "taken_over")]
    assert took
    last = [each for each in took if not events(each, "handed_over")]
    assert len(last) == 1
    for each in new:
        if each not in took:
            assert "take over" in refusal(each)


def settled(gate: ServerProcess) -> bool:
    return gate.exit_code is not None or bool(events(gate, "taken_over"))


# --- requests that take long ------------------------------------------------------------------


@dataclass
class LongUpload:
    """An upload that stops half-way until ``go_on`` is set."""

    port: int
    key: str
    size: int
    result: list[object] = field(default_factory=list)
    half: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def start(self) -> threading.Thread:
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        return thread

    def _run(self) -> None:
        try:
            self.result.append(self._send())
        except (OSError, http.client.HTTPException) as error:
            self.result.append(repr(error))

    def _send(self) -> tuple[int, bytes]:
        piece = bytes(64 * 1024)
        with contextlib.closing(
            http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        ) as connection:
            connection.putrequest("PUT", f"{STORE}long.bin")
            connection.putheader("Authorization", bearer(self.key).split(": ", 1)[1])
            connection.putheader("Content-Length", str(self.size))
            connection.endheaders()
            for at in range(0, self.size, len(piece)):
                if at >= self.size // 2 and not self.half.is_set():
                    self.half.set()
                    self.go_on.wait(120)
                connection.send(piece)
            response = connection.getresponse()
            return response.status, response.read()


UPLOAD_BYTES = 16 * 1024 * 1024


def test_an_upload_outlives_two_hand_overs(gates: Gates) -> None:
    """No time-out of a stop is in force: the address is served, and nobody waits."""
    quick = {"listen__drain_timeout": "1", "limits__keepalive_timeout": "1"}
    upload = LongUpload(gates.port, create_key(gates.data, "long"), UPLOAD_BYTES)
    old = gates.start(1, **quick)
    thread = upload.start()
    assert upload.half.wait(60)
    second = gates.replace(old, 1, **quick)
    third = gates.replace(second, 1, **quick)
    assert second.wait(STOP_SECONDS) == 0
    draining = event(old, "draining")
    assert (draining["requests"], draining["seconds"]) == (1, 3600)
    # Longer than the drain of a stop: that would have cut the upload by now.
    with pytest.raises(AssertionError, match="not within"):
        seconds_until(lambda: old.exit_code is not None, 3)
    upload.go_on.set()
    thread.join(120)
    assert upload.result == [(200, b'{"size": %d}' % UPLOAD_BYTES)]
    assert old.wait(STOP_SECONDS) == 0
    assert events(old, "cut_off") == []
    serves(gates)
    assert third.exit_code is None


@pytest.mark.long
def test_an_old_gate_with_a_long_request_can_be_stopped(gates: Gates) -> None:
    upload = LongUpload(gates.port, create_key(gates.data, "long"), UPLOAD_BYTES)
    old = gates.start(1, listen__drain_timeout="1", limits__keepalive_timeout="1")
    thread = upload.start()
    assert upload.half.wait(60)
    gates.replace(old)
    event(old, "draining")
    old.signal(signal.SIGTERM)
    assert old.wait(STOP_SECONDS) == 0
    assert event(old, "cut_off")
    upload.go_on.set()
    thread.join(120)
    serves(gates)


# --- what goes over ---------------------------------------------------------------------------


def test_a_rate_that_is_used_up_stays_so(gates: Gates) -> None:
    limited = {"limits__rates__reads": "1/h burst 2"}
    key = create_key(gates.data, "eager")
    old = gates.start(2, **limited)
    assert [gates.status(SEARCH, key) for _ in range(3)] == [200, 200, 429]
    gates.replace(old, 2, **limited)
    assert gates.status(SEARCH, key) == 429


# --- gates that were killed -------------------------------------------------------------------


def gate_ids(gates: Gates, key: str) -> list[str]:
    """The gates for which a park waits."""
    with contextlib.closing(
        http.client.HTTPConnection(gates.host, gates.port, timeout=60)
    ) as connection:
        connection.request("GET", "/-/api/v1/gates", headers=dict([bearer(key).split(": ", 1)]))
        found = json.loads(connection.getresponse().read())
        return [each["id"] for each in found["gates"]]


def test_a_gate_that_was_killed_is_forgotten_by_the_next_one_in_its_folder(gates: Gates) -> None:
    key = create_key(gates.data, "operator", ["admin"])
    killed = gates.start(2)
    (gone,) = gate_ids(gates, key)
    for pid in (killed.pid, *worker_pids(killed)):
        os.kill(pid, signal.SIGKILL)
    again = gates.start(2)
    assert event(again, "gate_forgotten")["gate_id"] == gone
    (left,) = gate_ids(gates, key)
    assert left != gone
    new = gates.replace(again)
    again.signal(signal.SIGTERM)
    assert again.wait(STOP_SECONDS) == 0
    assert gate_ids(gates, key) != [left]
    assert events(new, "gate_forgotten") == []  # the one before has taken its leave itself


# --- addresses --------------------------------------------------------------------------------


ANY = "0.0.0.0"  # noqa: S104 - as in a container


@pytest.mark.parametrize(
    "host", ["::1", *(pytest.param(each, marks=pytest.mark.long) for each in ("localhost", ANY))]
)
def test_addresses_of_each_kind(host: str, gates: Gates) -> None:
    gates.host, gates.port = host, free_port()
    old = gates.start(2)
    gates.replace(old, 1)
    assert old.wait(STOP_SECONDS) == 0
    serves(gates)


# --- ten times in a row -----------------------------------------------------------------------


def descriptors(gate: ServerProcess) -> list[int]:
    """How many descriptors the supervisor and each worker have."""
    return [len(os.listdir(f"/proc/{pid}/fd")) for pid in (gate.pid, *worker_pids(gate))]


@pytest.mark.long
def test_ten_in_a_row_leave_nothing_behind(gates: Gates) -> None:
    settings = {"ops__listen": "127.0.0.1:0"}
    gate = gates.start(4, **settings)
    counts: list[list[int]] = []
    for _ in range(10):
        old, gate = gate, gates.replace(gate, 4, **settings)
        old.signal(signal.SIGTERM)  # idle connections need not be waited for
        assert old.wait(STOP_SECONDS) == 0
        serves(gates)
        counts.append(settled_descriptors(gate))
    assert max(counts[-1]) <= max(counts[0]), counts
    assert sum(counts[-1]) <= sum(counts[0]), counts
    (place,) = [each.name for each in gates.data.iterdir() if each.name.endswith(".sock")]
    assert place == f"take-over-127.0.0.1:{gates.port}.sock"


def settled_descriptors(gate: ServerProcess) -> list[int]:
    """The same once it does not change between two looks."""
    found: list[int] = []

    def is_settled() -> bool:
        before = list(found)
        found[:] = descriptors(gate)
        return before == found

    assert seconds_until(is_settled, 30) < 30
    return found
