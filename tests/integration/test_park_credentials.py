"""A request whose credentials end while it is held does not go to MLflow."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.gate import Gate, bearer, create_key, running_gate
from tests.support.parked_gates import FOLLOWED_SECONDS, PATIENCE, parked, released, upstream_of
from tests.support.raw import RawClient, RawResponse, chunked, request_head
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed
from tests.support.two_gates import READ, called
from tests.support.waiting import seconds_until

API = "/api/2.0/mlflow"
JSON = "Content-Type: application/json"
TELL = b'{"name": "held"}'
KINDS = {
    "a read": ("GET", READ, b""),
    "a write": ("POST", f"{API}/experiments/create", TELL),
    "a create that is remembered": (
        "POST",
        f"{API}/runs/create",
        b'{"experiment_id": "1", "start_time": 1}',
    ),
    "a write whose body comes in chunks": ("POST", f"{API}/experiments/create", TELL),
    "one that is decided on with its body": ("POST", f"{API}/registered-models/create", TELL),
}


@pytest.fixture
def upstream() -> Iterator[RecordingUpstream]:
    with RecordingUpstream(fixed(b"{}")) as running:
        yield running


@dataclass(frozen=True)
class Holder:
    """A key, and the id of its principal."""

    secret: str
    key: str
    principal: str


def holder(gate: Gate, admin: str, name: str, **more: object) -> Holder:
    made = called(
        gate, admin, "POST", "/keys", {"name": name, "roles": ["writer", "publisher"], **more}
    )
    return Holder(made["secret"], made["key"]["id"], made["key"]["principal"]["id"])


def head_of(gate: Gate, key: str, kind: str) -> bytes:
    method, path, body = KINDS[kind]
    if not body:
        return request_head(method, path, bearer(key), host=f"{gate.host}:{gate.port}")
    in_chunks = "chunks" in kind
    framing = "Transfer-Encoding: chunked" if in_chunks else f"Content-Length: {len(body)}"
    head = request_head(method, path, bearer(key), JSON, framing, host=f"{gate.host}:{gate.port}")
    return head + (chunked(body) if in_chunks else body)


def knows(gate: Gate, holder: Holder, roles: list[str] | None) -> bool:
    """Whether the gate's only worker has heard of what a key may do; ``None``: nothing."""
    response = gate.ask("GET", "/-/api/v1/me", key=holder.secret)
    if roles is None:
        return response.status == 401
    return response.status == 200 and json.loads(response.body)["roles"] == roles


@contextlib.contextmanager
def held(gate: Gate, admin: str, heads: list[bytes]) -> Iterator[list[Future[RawResponse]]]:
    """Requests of that many connections, once all of them wait."""
    with contextlib.ExitStack() as stack:
        executor = stack.enter_context(ThreadPoolExecutor(len(heads)))
        clients = [stack.enter_context(RawClient(gate.host, gate.port, PATIENCE)) for _ in heads]
        for client, head in zip(clients, heads, strict=True):
            client.send(head)
        seconds_until(
            lambda: upstream_of(gate, admin)["gates"][0]["waiting"] == len(heads), FOLLOWED_SECONDS
        )
        yield [executor.submit(client.response) for client in clients]


def test_whose_key_ends_while_it_is_held_is_refused(
    tmp_path: Path, upstream: RecordingUpstream
) -> None:
    admin = create_key(tmp_path / "data", "admin", ["admin"])
    with running_gate(tmp_path, upstream.url) as gate:
        narrowing = {"narrowing": ["*:experiments", "*:runs", "*:models on model held*"]}
        revoked = holder(gate, admin, "revoked", **narrowing)
        disabled = holder(gate, admin, "disabled", **narrowing)
        narrowed = holder(gate, admin, "narrowed", **narrowing)
        same = holder(gate, admin, "same", **narrowing)
        parked(gate, admin, seconds=300)
        heads = [
            head_of(gate, each.secret, kind)
            for each in (revoked, disabled, narrowed, same)
            for kind in KINDS
        ]
        with held(gate, admin, heads) as responses:
            called(gate, admin, "POST", f"/keys/{revoked.key}/revoke")
            called(gate, admin, "POST", f"/principals/{disabled.principal}/disable")
            called(gate, admin, "PATCH", f"/keys/{narrowed.key}", {"roles": ["viewer"]})
            for each, roles in ((revoked, None), (disabled, None), (narrowed, ["viewer"])):
                seconds_until(functools.partial(knows, gate, each, roles), FOLLOWED_SECONDS)
            released(gate, admin)
            found = [each.result(PATIENCE) for each in responses]
        again = gate.ask("GET", READ, key=disabled.secret)
        assert (again.status, again.get("X-Headgate-Reason")) == (401, "principal_disabled")
        sent = [each for each in upstream.requests if API.encode() in each.request_line]
    told = [(each.status, each.get("X-Headgate-Reason")) for each in found]
    count = len(KINDS)
    assert told[:count] == [(401, "key_revoked")] * count
    # These may be good again by now: they are decided on anew when they are sent again, which
    # MLflow's client does by itself.
    assert told[count : 3 * count] == [(429, "parked")] * (2 * count)
    assert {each.get("Retry-After") for each in found[count : 3 * count]} == {"1"}
    assert [status for status, _ in told[3 * count :]] == [200] * count
    assert len(sent) == count
