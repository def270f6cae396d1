"""What a running gate does with the keys that it has in memory, while their store changes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from headgate.auth.keys.form import digest, mint
from headgate.config import Config
from headgate.identity import Administration
from headgate.identity.actor import Actor
from headgate.identity.requests import KeyChange, PrincipalChange
from headgate.policy import Roles
from headgate.stores import open_identity_store
from headgate.stores.records import KeyRecord
from tests.support.gate import Gate, bearer, running_gate
from tests.support.keys import make_key
from tests.support.raw import RawClient, RawResponse, request_head
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed

PROMISE = 2.0  # seconds until every gate has followed
SECONDS = 20.0
READ = "/api/2.0/mlflow/experiments/search?max_results=1"
DAY = 86_400
OPERATOR = Actor.operator("test")
FORGED = "X-Headgate-Key-Expires: 2099-01-01T00:00:00Z"


def administer(data: Path, change: Callable[[Administration], object]) -> None:
    """Do what a command does, in the store of a folder."""
    config = Config(data=data)
    with open_identity_store(config) as store:
        change(Administration(store, Roles(), config.auth.keys, time.time))


class Kept:
    """A connection that stays, on which one key is shown."""

    def __init__(self, gate: Gate, key: str, client: RawClient) -> None:
        self._gate = gate
        self._client = client
        self._head = request_head("GET", READ, bearer(key))

    def ask(self) -> RawResponse:
        self._client.send(self._head)
        return self._client.response()

    def until(self, reason: str) -> RawResponse:
        """Ask until a response has this reason code; the last one."""

        def found() -> RawResponse | None:
            response = self.ask()
            return response if reason_of(response) == reason else None

        return self._gate.process.wait_until(found, f"the reason {reason}", PROMISE)


def asked(gate: Gate, target: str, key: str, known: Callable[[RawResponse], object]) -> RawResponse:
    """The response on a new connection, which any worker may take, once that knows the key.

    A worker that does not know the key yet serves a public page as it would a stranger, so the
    caller says which response shows that the key is known.
    """

    def found() -> RawResponse | None:
        response = gate.ask("GET", target, FORGED, key=key)
        return response if known(response) else None

    return gate.process.wait_until(found, "a worker that knows the key", PROMISE)


def reason_of(response: RawResponse) -> str:
    """The reason code; ``ok`` for what MLflow itself responds."""
    found = response.all("x-headgate-reason")
    return found[0] if found else "ok"


@pytest.fixture(scope="module")
def upstream() -> Iterator[RecordingUpstream]:
    # A forged header of MLflow's, which no client is to see.
    with RecordingUpstream(fixed(b"{}", FORGED, "Content-Type: application/json")) as running:
        yield running


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory, upstream: RecordingUpstream) -> Iterator[Gate]:
    folder = tmp_path_factory.mktemp("gate")
    make_key(folder / "data", "admin", ["admin"])
    with running_gate(folder, upstream.url, {"HEADGATE_LISTEN__WORKERS": "2"}) as running:
        yield running


@pytest.fixture
def kept(gate: Gate) -> Iterator[Callable[[str], Kept]]:
    """Opens a connection that stays, and waits until its key is known."""
    with ExitStack() as stack:

        def opened(key: str) -> Kept:
            made = Kept(gate, key, stack.enter_context(gate.connect()))
            made.until("ok")
            return made

        yield opened


def test_a_disabled_principal_is_out_on_a_connection_that_stays(
    gate: Gate, kept: Callable[[str], Kept]
) -> None:
    client = kept(make_key(gate.data, "ada"))
    administer(gate.data, lambda to: to.disable_principal(OPERATOR, "ada"))
    refused = client.until("principal_disabled")
    assert refused.status == 401
    assert b"belongs to 'ada' (p_" in refused.body
    administer(gate.data, lambda to: to.enable_principal(OPERATOR, "ada"))
    assert client.until("ok").status == 200
    assert gate.event("principal_disabled")["principal"] == "ada"
    assert gate.event("principal_enabled", 2)["principal"] == "ada"


def test_fewer_roles_of_a_principal_narrow_its_keys_on_a_connection_that_stays(
    gate: Gate, kept: Callable[[str], Kept]
) -> None:
    client = kept(make_key(gate.data, "bob", ["writer"]))
    change = PrincipalChange(roles=["llm-user"])
    administer(gate.data, lambda to: to.change_principal(OPERATOR, "bob", change))
    assert client.until("forbidden").status == 403


def test_a_narrowing_counts_on_a_connection_that_stays(
    gate: Gate, kept: Callable[[str], Kept]
) -> None:
    client = kept(make_key(gate.data, "carl", ["writer"]))
    change = KeyChange(narrowing=["read:models"])
    administer(gate.data, lambda to: to.change_key(OPERATOR, "carl", change))
    assert client.until("forbidden").status == 403


def test_responses_to_a_key_close_to_its_end_say_when_that_is(
    gate: Gate, upstream: RecordingUpstream, kept: Callable[[str], Kept]
) -> None:
    end = int(time.time()) + 10 * DAY
    soon, late = (
        make_key(gate.data, "soon", expires_at=end),
        make_key(gate.data, "late", expires_at=end + 90 * DAY),
    )
    expected = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end))
    assert kept(soon).ask().all("x-headgate-key-expires") == [expected]
    assert kept(late).ask().all("x-headgate-key-expires") == []
    for target in ("/-/health", "/api/2.0/mlflow/registered-models/create"):  # a page, a refusal
        response = asked(gate, target, soon, lambda found: found.all("x-headgate-key-expires"))
        assert response.all("x-headgate-key-expires") == [expected]
    asked(gate, READ, late, lambda found: found.status == 200)
    assert b"key-expires" not in upstream.requests[-1].head.lower()


def test_the_last_use_of_a_key_arrives_in_the_store(
    gate: Gate, kept: Callable[[str], Kept]
) -> None:
    began = int(time.time())
    kept(make_key(gate.data, "eve"))

    def used() -> tuple[int, str] | None:
        with open_identity_store(Config(data=gate.data)) as store, store.reading() as reading:
            key = reading.key("eve")
            use = reading.uses().get(key.id) if isinstance(key, KeyRecord) else None
        return None if use is None else (use.used_at, use.address)

    used_at, address = gate.process.wait_until(used, "the last use", 40.0)
    assert began - 1 <= used_at <= time.time()
    assert address == "127.0.0.1"


KEY = mint(b"f" * 32)
OTHER = mint(b"o" * 32)


def test_two_gates_take_the_first_key_once_and_never_another(
    tmp_path: Path, upstream: RecordingUpstream
) -> None:
    data = {"HEADGATE_DATA": str(tmp_path / "data"), "HEADGATE_LISTEN__WORKERS": "2"}
    for name in ("one", "two", "again"):
        (tmp_path / name).mkdir()
    first = data | {"HEADGATE_AUTH__FIRST_KEY_SHA256": digest(KEY).hex()}
    with (
        running_gate(tmp_path / "one", upstream.url, first) as one,
        running_gate(tmp_path / "two", upstream.url, first) as two,
    ):
        for gate in (one, two):
            assert gate.ask("GET", READ, key=KEY).status == 200
        events = [each["event"] for gate in (one, two) for each in gate.events()]
        assert events.count("first_key_taken") == 1
        assert "first_key_refused" not in events
        with open_identity_store(Config(data=tmp_path / "data")) as store, store.reading() as now:
            (key,) = now.keys()
            assert key.expires_at is not None
            assert key.expires_at <= time.time() + 7 * DAY
            assert key.roles == ("admin",)
        administer(tmp_path / "data", lambda to: to.revoke_key(OPERATOR, key.id))
    for digests in (KEY, OTHER):
        again = data | {"HEADGATE_AUTH__FIRST_KEY_SHA256": digest(digests).hex()}
        with running_gate(tmp_path / "again", upstream.url, again) as gate:
            assert gate.ask("GET", READ, key=digests).status == 401


def test_keys_get_too_old_and_one_of_the_configuration_works_all_the_same(
    tmp_path: Path, upstream: RecordingUpstream
) -> None:
    data = tmp_path / "data"
    key = make_key(data, "ci", ["admin"])
    file = tmp_path / "headgate.toml"
    file.write_text("# nothing\n", encoding="utf-8")
    settings = {"HEADGATE_CONFIG": str(file), "HEADGATE_AUTH__MAX_STALE": "2"}
    with running_gate(tmp_path, upstream.url, settings) as gate, gate.connect() as connection:
        client = Kept(gate, key, connection)
        assert client.ask().status == 200
        (data / "keys.sqlite").rename(data / "gone")
        gate.process.wait_until(
            lambda: reason_of(client.ask()) == "keys_stale" or None, "stale keys", SECONDS
        )
        refused = client.ask()
        assert refused.status == 503
        assert refused.all("retry-after") == ["5"]
        assert gate.event("keys_stale")["level"] == "error"
        assert gate.ask("GET", "/-/readyz").status == 200  # a restart would not help
        emergency = mint(b"e" * 32)
        until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        file.write_text(
            f'[[auth.break_glass]]\nsha256 = "{digest(emergency).hex()}"\nuntil = {until}\n'
            'reason = "the key store is gone"\n',
            encoding="utf-8",
        )
        gate.process.wait_until(
            lambda: gate.ask("GET", "/-/metrics", key=emergency).status == 200 or None,
            "the key for emergencies",
            SECONDS,
        )
        used = gate.event("break_glass_used")
        assert (used["level"], used["reason"]) == ("error", "the key store is gone")
        assert used["address"] == "127.0.0.1"
        metrics = gate.ask("GET", "/-/metrics", key=emergency).body.decode()
        assert "headgate_break_glass_uses_total 1\n" in metrics
        health = json.loads(gate.ask("GET", "/-/health", key=emergency).body)
        assert health["status"] == "degraded"
        assert health["keys"]["refused"] is True
        assert health["keys"]["age_seconds"] >= 2
        (data / "gone").rename(data / "keys.sqlite")
        assert client.until("ok").status == 200
