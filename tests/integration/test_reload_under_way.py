"""A request is judged by, and sent to, the upstream that it arrived for, whatever is reloaded."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.gate import Gate, bearer, running_gate
from tests.support.keys import make_key
from tests.support.named_objects import NamedObjects, asked_of
from tests.support.raw import RawClient, RawResponse, request_head
from tests.support.recording_upstream import Exchange, RecordingUpstream
from tests.support.scripts import held

SECONDS = 15.0
CREATE = "/api/2.0/mlflow/runs/create"
GET = "/api/2.0/mlflow/experiments/get"
OWN, OTHER = "team-a/x", "team-b/x"
ROLES = '[roles.team-a]\ngrants = ["*:* on experiment team-a/*"]\n'
BODY = json.dumps({"experiment_id": "1"}).encode()


@dataclass(frozen=True)
class Scene:
    """A gate whose configuration is changed while it serves, and a narrowed key."""

    gate: Gate
    file: Path
    key: str
    admin: str

    def configure(self, *tables: str) -> None:
        """Put upstreams into the file, and wait until they are in force."""
        write(self.file, *tables)
        self.gate.process.wait_until(self._was_retired, "the old upstream to retire", SECONDS)

    def _was_retired(self) -> bool | None:
        return "is retired" in self.gate.process.errors.read_text(encoding="utf-8") or None

    @contextmanager
    def begun(self, target: str = CREATE) -> Iterator[RawClient]:
        """A request whose body the gate waits for, before it decides."""
        fields = (
            "Content-Type: application/json",
            f"Content-Length: {len(BODY)}",
            "Expect: 100-continue",
        )
        with self.gate.connect() as client:
            client.send(request_head("POST", target, bearer(self.key), *fields))
            assert client.response_head().status == 100
            yield client

    def wait_for_connections(self, number: int) -> None:
        """Wait until the worker has counted so many, which it does after it drops upstreams."""
        with self.gate.connect() as client:
            head = request_head("GET", "/-/metrics", bearer(self.admin))

            def counted() -> bool | None:
                client.send(head)
                line = f"headgate_connections {number + 1}"
                return line in client.response().body.decode().splitlines() or None

            self.gate.process.wait_until(counted, f"{number} connections", SECONDS)

    def ended(self, client: RawClient) -> RawResponse:
        client.send(BODY)
        return client.response()


def write(file: Path, *tables: str) -> None:
    draft = file.with_suffix(".draft")
    draft.write_text("\n".join((ROLES, *tables)), encoding="utf-8")
    draft.rename(file)


def table(upstream: RecordingUpstream, name: str = "default", more: str = "") -> str:
    return f'[upstreams.{name}]\nurl = "{upstream.url}"\nprobes.interval = 0\n{more}\n'


@contextmanager
def running_scene(folder: Path, *tables: str) -> Iterator[Scene]:
    file = folder / "headgate.toml"
    write(file, *tables)
    (folder / "data").mkdir()
    key = make_key(folder / "data", "narrowed", ["team-a"])
    admin = make_key(folder / "data", "admin", ["admin"])
    with running_gate(folder, None, {"HEADGATE_CONFIG": str(file)}) as gate:
        yield Scene(gate, file, key, admin)


@pytest.mark.parametrize(("before", "after", "status"), [(OWN, OTHER, 200), (OTHER, OWN, 403)])
def test_a_body_awaited_across_a_reload_is_judged_by_the_old_upstream(
    before: str, after: str, status: int, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        one = stack.enter_context(RecordingUpstream(NamedObjects({"1": before})))
        other = stack.enter_context(RecordingUpstream(NamedObjects({"1": after})))
        scene = stack.enter_context(running_scene(tmp_path, table(one)))
        with scene.begun() as client:
            scene.configure(table(other))
            assert scene.ended(client).status == status
        assert asked_of(one)[GET] == 1
        assert asked_of(one)[CREATE] == (1 if status == 200 else 0)
        assert not asked_of(other)


def test_an_upstream_that_is_gone_serves_what_arrived_for_it(tmp_path: Path) -> None:
    with ExitStack() as stack:
        one = stack.enter_context(RecordingUpstream(NamedObjects({"1": OTHER})))
        lab = stack.enter_context(RecordingUpstream(NamedObjects({"1": OWN})))
        prefixed = table(lab, "lab", 'prefixes = ["/lab"]')
        scene = stack.enter_context(running_scene(tmp_path, table(one), prefixed))
        with scene.begun(f"/lab{CREATE}") as client:
            scene.configure(table(one))
            assert scene.gate.ask("GET", f"/lab{GET}", key=scene.key).status == 404
            assert scene.ended(client).status == 200
        assert asked_of(lab) == {GET: 1, CREATE: 1}
        assert not asked_of(one)


def test_a_lookup_under_way_across_a_reload_decides(tmp_path: Path) -> None:
    released = threading.Event()
    with ExitStack() as stack:
        one = stack.enter_context(
            RecordingUpstream(held(released, NamedObjects({"1": OWN})), NamedObjects({"1": OWN}))
        )
        other = stack.enter_context(RecordingUpstream(NamedObjects({"1": OTHER})))
        scene = stack.enter_context(running_scene(tmp_path, table(one)))
        with scene.begun() as client:
            client.send(BODY)
            one.wait_until(lambda: len(one.requests) == 1)
            scene.configure(table(other))
            released.set()
            assert client.response().status == 200
        assert asked_of(one) == {GET: 1, CREATE: 1}


def test_a_retired_upstream_that_stays_silent_is_given_up(tmp_path: Path) -> None:
    """It is looked after as long as a request is there for it, whether or not it has connected."""

    def silent(exchange: Exchange) -> None:
        if b"experiments/get" in exchange.request.request_line:
            NamedObjects({"1": OWN})(exchange)
        else:
            exchange.read_body()
            exchange.wait_for_disconnect()

    with ExitStack() as stack:
        one = stack.enter_context(RecordingUpstream(silent))
        other = stack.enter_context(RecordingUpstream(NamedObjects()))
        patience = "silence_timeout = 1"
        scene = stack.enter_context(running_scene(tmp_path, table(one, more=patience)))
        with scene.begun() as client:
            scene.configure(table(other))
            with ExitStack() as others:
                for _ in range(3):
                    others.enter_context(scene.gate.connect())
                scene.wait_for_connections(4)
            response = scene.ended(client)
            assert response.get("X-Headgate-Reason") == "upstream_timeout"
