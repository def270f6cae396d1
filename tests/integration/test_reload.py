"""A running gate takes up a changed configuration and drops nothing for it."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.gate import Gate, bearer, create_key, running_gate
from tests.support.raw import request_head
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed, held
from tests.support.workers import kill_worker, worker_pids

SECONDS = 15.0
UPLOADED = "/api/2.0/mlflow-artifacts/artifacts/model.bin"


@dataclass(frozen=True)
class Followed:
    """A gate with a configuration file, and two upstreams that it may name."""

    gate: Gate
    file: Path
    one: RecordingUpstream
    other: RecordingUpstream
    key: str

    def write(self, upstream: RecordingUpstream, more: str = "") -> None:
        """Name an upstream in the file, as an editor does it: in one step."""
        write(self.file, upstream, more)

    def wait_for(self, message: str, count: int = 1) -> None:
        """Wait until ``message`` has been logged ``count`` times."""

        def found() -> bool | None:
            said = [event["message"] for event in self.gate.events()]
            return said.count(message) >= count or None

        self.gate.process.wait_until(found, message, SECONDS)

    def answered_by(self) -> set[bytes]:
        """Which upstream answers new connections; enough of them to meet every worker."""
        asked = (self.gate.ask("GET", "/version", key=self.key) for _ in range(20))
        return {response.body for response in asked}

    def head(self, method: str = "GET", target: str = "/version", *fields: str) -> bytes:
        return request_head(method, target, bearer(self.key), *fields)


def write(file: Path, upstream: RecordingUpstream, more: str = "") -> None:
    draft = file.with_suffix(".draft")
    draft.write_text(
        f'[upstreams.default]\nurl = "{upstream.url}"\nprobes.interval = 0\n{more}\n',
        encoding="utf-8",
    )
    draft.rename(file)


Start = Callable[..., Followed]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a gate that follows a file; it begins with the upstream ``one``."""
    with ExitStack() as stack:

        def started(workers: int = 1, script: Any = None) -> Followed:
            one = stack.enter_context(RecordingUpstream(script or fixed(b"one")))
            other = stack.enter_context(RecordingUpstream(fixed(b"other")))
            file = tmp_path / "headgate.toml"
            write(file, one)
            key = create_key(tmp_path / "data", "reload")
            environment = {"HEADGATE_CONFIG": str(file), "HEADGATE_LISTEN__WORKERS": str(workers)}
            gate = stack.enter_context(running_gate(tmp_path, None, environment))
            return Followed(gate, file, one, other, key)

        yield started


@pytest.mark.parametrize("how", ["changed file", "SIGHUP"])
def test_another_upstream_serves_the_next_requests(how: str, start: Start) -> None:
    """No connection is dropped for it, and what is under way ends where it began."""
    go_on = threading.Event()
    first = fixed(b"one")
    followed = start(script=held(go_on, first))
    followed.one.scripts[:0] = [first]
    with followed.gate.connect() as kept, followed.gate.connect() as waiting:
        kept.send(followed.head())
        assert kept.response().body == b"one"
        waiting.send(followed.head())
        followed.one.wait_until(lambda: len(followed.one.requests) == 2)
        followed.write(followed.other)
        if how == "SIGHUP":
            followed.gate.process.signal(signal.SIGHUP)
        followed.wait_for("configuration reloaded")
        for _ in range(3):
            kept.send(followed.head())
            assert kept.response().body == b"other"
        go_on.set()
        assert waiting.response().body == b"one"
        waiting.send(followed.head())
        assert waiting.response().body == b"other"
    assert len(followed.one.requests) == 2
    assert followed.other.connections >= 1


def test_no_request_is_refused_while_the_upstream_changes(start: Start) -> None:
    """The old one serves until the endpoints of the new one are known, then the new one does."""
    followed = start()
    with followed.gate.connect() as client:

        def serves(name: bytes) -> bool | None:
            client.send(followed.head())
            response = client.response()
            assert response.status == 200
            return response.body == name or None

        for upstream, name in ((followed.other, b"other"), (followed.one, b"one")):
            followed.write(upstream)
            followed.gate.process.signal(signal.SIGHUP)
            followed.gate.process.wait_until(partial(serves, name), "the new upstream", SECONDS)


def test_an_upstream_that_stays_is_left_alone(start: Start) -> None:
    """Its connections are kept, and what is known of its endpoints."""
    followed = start()
    with followed.gate.connect() as client:
        for limit in range(100, 130):
            followed.write(followed.one, f"[limits]\nin_flight = {limit}")
            followed.gate.process.signal(signal.SIGHUP)
            client.send(followed.head())
            assert client.response().status == 200
    followed.wait_for("configuration reloaded")
    assert followed.one.connections == 1


def test_an_upload_under_way_ends_where_it_began(start: Start) -> None:
    followed = start()
    with followed.gate.connect() as client:
        client.send(followed.head("PUT", UPLOADED, "Content-Length: 10") + b"12345")
        followed.one.wait_until(lambda: len(followed.one.requests) == 1)
        followed.write(followed.other)
        followed.wait_for("configuration reloaded")
        client.send(b"67890")
        assert client.response().body == b"one"
    assert followed.one.request(0).body == b"1234567890"
    assert followed.other.requests == []


def test_a_file_with_problems_changes_nothing_and_each_is_logged(start: Start) -> None:
    followed = start()
    followed.write(followed.other, 'nonsense = 1\n[limits]\nbody_bytes = "much"')
    prefix = "configuration not reloaded: "
    followed.wait_for(f"{prefix}upstreams.default.nonsense: no such setting")
    followed.wait_for(
        f"{prefix}limits.body_bytes: must be a number of bytes, such as 64KiB or 2GiB"
    )
    assert followed.answered_by() == {b"one"}
    followed.write(followed.other)
    followed.wait_for("configuration reloaded")
    assert followed.answered_by() == {b"other"}


def test_files_that_are_not_there_change_nothing(start: Start, tmp_path: Path) -> None:
    followed = start()
    followed.write(followed.other, f'[upstreams.default.tls]\nca = "{tmp_path / "missing.pem"}"')
    followed.gate.process.wait_for_line("configuration not reloaded: ", SECONDS)
    followed.file.unlink()
    followed.wait_for(f"configuration not reloaded: {followed.file}: No such file or directory")
    assert followed.answered_by() == {b"one"}


def test_what_needs_a_restart_is_named_and_the_rest_holds(start: Start) -> None:
    """``auth.mode`` above all: nobody's door is opened or closed by half."""
    followed = start()
    followed.write(followed.other, '[auth]\nmode = "none"\n[listen]\ndrain_timeout = 9')
    event = followed.gate.event("restart_needed")
    assert event["settings"] == ["listen.drain_timeout", "auth.mode"]
    health = json.loads(followed.gate.ask("GET", "/-/health", key=followed.key).body)
    assert health["configuration"] == {
        "differs_from_file": True,
        "needs_restart": ["listen.drain_timeout", "auth.mode"],
        "problems": [],
    }
    assert followed.gate.ask("GET", "/version").status == 401
    assert followed.answered_by() == {b"other"}


def test_limits_hold_for_new_requests(start: Start) -> None:
    """On connections that are open, too."""
    followed = start()
    request = followed.head("POST", "/api/2.0/mlflow/runs/create", "Content-Length: 100")
    with followed.gate.connect() as client:
        client.send(request + b"x" * 100)
        assert client.response().status == 200
        followed.write(followed.one, "[limits]\nbody_bytes = 99")
        followed.wait_for("configuration reloaded")
        client.send(request + b"x" * 100)
        response = client.response()
        assert (response.status, response.get("X-Headgate-Reason")) == (413, "body_too_large")


def test_every_worker_takes_it_up_also_one_that_comes_later(start: Start) -> None:
    followed = start(workers=2)
    followed.write(followed.other)
    followed.wait_for("configuration reloaded", count=2)
    assert followed.answered_by() == {b"other"}
    process = followed.gate.process
    kill_worker(process, worker_pids(process)[0], signal.SIGKILL)
    assert followed.answered_by() == {b"other"}
    assert followed.one.requests == []
