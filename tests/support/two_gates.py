"""Gates that share a store in PostgreSQL, and what is done to them from outside."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headgate.config import Config
from headgate.identity import Actor, Administration, NewKey
from headgate.policy import Roles
from headgate.stores import open_identity_store
from tests.support.certificates import Authority
from tests.support.gate import Gate, running_gate
from tests.support.postgres import PostgresServer, postgres_server, running_pgbouncer
from tests.support.processes import clean_environment
from tests.support.raw import RawResponse
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed
from tests.support.waiting import seconds_until

COMMAND_SECONDS = 60.0
OPERATOR = Actor.operator("tests")
READ = "/api/2.0/mlflow/experiments/search"


@dataclass(frozen=True)
class SharedStore:
    """A database, and the file with its URL that gates and commands are given."""

    url_file: Path
    data: Path

    @property
    def settings(self) -> dict[str, str]:
        """The environment that leads a gate or a command there."""
        return {
            "HEADGATE_AUTH__DATABASE_URL_FILE": str(self.url_file),
            "HEADGATE_DATA": str(self.data),
            # Tests ask again and again until a key is refused.
            "HEADGATE_LIMITS__FAILED_AUTHENTICATIONS": "1000/s",
        }

    def point_to(self, url: str) -> None:
        """Write another URL into the file, as a secret is renewed."""
        new = self.url_file.with_suffix(".new")
        new.write_text(f"{url}\n", encoding="utf-8")
        new.replace(self.url_file)

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run ``headgate``, with ``more`` in its environment."""
        return subprocess.run(
            [sys.executable, "-m", "headgate", *arguments],
            env=clean_environment() | self.settings | more,
            check=False,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
        )

    def told(self, *arguments: str) -> str:
        """What ``headgate`` prints.

        Raises:
            AssertionError: it fails.
        """
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def make_key(self, name: str, role: str = "viewer") -> str:
        """Do what ``headgate keys create`` does, without a process of its own; the secret."""
        with self._administration() as administration:
            return administration.create_key(OPERATOR, NewKey(name, roles=[role])).secret

    def revoke_key(self, name: str) -> None:
        """Do what ``headgate keys revoke`` does."""
        with self._administration() as administration:
            administration.revoke_key(OPERATOR, name)

    @contextmanager
    def _administration(self) -> Iterator[Administration]:
        auth = {"database_url_file": self.url_file}
        config = Config.model_validate({"data": self.data, "auth": auth})
        with open_identity_store(config) as store:
            yield Administration(store, Roles(), config.auth.keys, time.time)


def shared_store(server: PostgresServer, folder: Path, database: str, url: str) -> SharedStore:
    """Make a database in ``server`` with an empty store, at ``url``."""
    server.create_database(database)
    folder.mkdir(parents=True, exist_ok=True)
    store = SharedStore(folder / "database-url", folder / "data")
    store.point_to(url)
    store.told("db", "upgrade")
    return store


@contextmanager
def gate_on(store: SharedStore, folder: Path, upstream: str, **settings: str) -> Iterator[Gate]:
    """Run a gate with a shared store."""
    folder.mkdir(parents=True, exist_ok=True)
    environment: Mapping[str, str] = {**store.settings, **settings}
    environment = {**environment, "HEADGATE_DATA": str(folder / "data")}
    with running_gate(folder, upstream, environment) as gate:
        yield gate


def call(
    gate: Gate, key: str, method: str, path: str, message: Mapping[str, object] | None = None
) -> RawResponse:
    """Ask the admin API of a gate for ``path`` below ``/-/api/v1``."""
    fields: Sequence[str] = () if message is None else ("Content-Type: application/json",)
    body = b"" if message is None else json.dumps(message).encode()
    return gate.ask(method, f"/-/api/v1{path}", *fields, key=key, body=body)


def called(
    gate: Gate, key: str, method: str, path: str, message: Mapping[str, object] | None = None
) -> Any:
    """The same, for a response that has to be a success."""
    response = call(gate, key, method, path, message)
    assert 200 <= response.status < 300, response
    return json.loads(response.body) if response.body else None


def keys_page(gate: Gate, key: str) -> dict[str, Any]:
    """What the health page of a gate says of the keys."""
    return dict(json.loads(gate.ask("GET", "/-/health", key=key).body)["keys"])


@dataclass(frozen=True)
class TwoGates:
    """A server, a store in it, and two gates with it in front of one upstream.

    The first gate connects straight to the server, with TLS and the name in its certificate
    checked; the second through PgBouncer, which pools transactions.
    """

    server: PostgresServer
    store: SharedStore
    pooled: SharedStore
    gates: tuple[Gate, Gate]
    admin: str
    upstream: RecordingUpstream
    folder: Path

    def statuses(self, key: str) -> list[tuple[int, str | None]]:
        """What each gate says to a read with ``key``: status and reason."""
        responses = [gate.ask("GET", READ, key=key) for gate in self.gates]
        return [(each.status, each.get("X-Headgate-Reason")) for each in responses]

    def wait(self, key: str, status: int, reason: str | None = None, limit: float = 2.0) -> float:
        """Wait until both gates say this to a read with ``key``; how many seconds it took.

        Raises:
            AssertionError: longer than ``limit`` seconds.
        """
        return seconds_until(lambda: self.statuses(key) == [(status, reason)] * 2, limit)


@contextmanager
def running_two_gates(folder: Path, **settings: str) -> Iterator[TwoGates]:
    """Run a server and two gates, with ``settings`` for both, until the block ends."""
    authority = Authority(folder, "database-ca")
    certificate = authority.issue("database", "localhost")
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(postgres_server(folder, certificate))
        bouncer = stack.enter_context(running_pgbouncer(server, folder))
        upstream = stack.enter_context(RecordingUpstream(fixed(b"{}")))
        checked = {"sslmode": "verify-full", "sslrootcert": str(authority.certificate)}
        url = server.url("gates", host="localhost", **checked)
        store = shared_store(server, folder / "store", "gates", url)
        pooled = SharedStore(folder / "pooled-url", store.data)
        pooled.point_to(bouncer.url("gates"))
        admin = store.told("keys", "create", "admin", "--role", "admin")
        first = stack.enter_context(gate_on(store, folder / "first", upstream.url, **settings))
        second = stack.enter_context(gate_on(pooled, folder / "second", upstream.url, **settings))
        yield TwoGates(server, store, pooled, (first, second), admin, upstream, folder)


@contextmanager
def stopped(server: PostgresServer) -> Iterator[None]:
    """Let a server be down until the block ends."""
    server.stop()
    try:
        yield
    finally:
        server.start()


@contextmanager
def held(server: PostgresServer) -> Iterator[None]:
    """Let a server hang until the block ends."""
    with contextlib.ExitStack() as stack:
        stack.callback(server.thaw)
        server.freeze()
        yield
