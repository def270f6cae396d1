"""A real MLflow that is replaced by a newer one, with two gates in front of it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from headgate.deploy.mlflow.words import utc
from tests.support.debian import POSTGRESQL, require
from tests.support.gate import Gate
from tests.support.maintenance_load import ClientAt, clients_at
from tests.support.maintenance_unit import UNIT, Unit
from tests.support.mlflow_server import (
    ENVIRONMENT,
    START_SECONDS,
    MlflowServer,
    is_healthy,
    running_mlflow,
)
from tests.support.mlflow_versions import CURRENT, python_with
from tests.support.ports import free_port
from tests.support.postgres import PostgresServer, postgres_server
from tests.support.processes import clean_environment
from tests.support.two_gates import SharedStore, called, gate_on, shared_store
from tests.support.waiting import seconds_until

OLD: Final = "3.14.0"
NEW: Final = CURRENT
UPSTREAM: Final = "/upstreams/default"
MIGRATION_SECONDS: Final = 300.0
DRAIN_SECONDS: Final = 60.0
COMMAND_SECONDS: Final = 1800.0
GATE_SETTINGS: Final = {"HEADGATE_UPSTREAMS__DEFAULT__PROBES__INTERVAL": "1"}


class MlflowService:
    """MLflow at one address and with one database, whichever version runs at the moment."""

    def __init__(self, folder: Path, database: str) -> None:
        self._folder = folder
        self._running: contextlib.ExitStack | None = None
        self._server: MlflowServer | None = None
        self.database = database
        self.artifacts = folder / "artifacts"
        self.port = free_port()

    @property
    def url(self) -> str:
        """Its address, whether it runs or not."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, version: str) -> None:
        """Start a version, and wait until it is healthy.

        Raises:
            ServerError: it is not.
        """
        stack = contextlib.ExitStack()
        self._server = stack.enter_context(
            running_mlflow(
                self._folder,
                database=self.database,
                artifacts=self.artifacts,
                python=python_with(version),
                options=("--port", str(self.port)),
            )
        )
        self._running = stack

    def stop(self) -> None:
        """Stop it as a service manager does; nothing if it does not run."""
        if self._running is not None:
            self._running.close()
            self._running = self._server = None

    def kill(self) -> None:
        """End it with all its requests, as a service manager does that does not wait."""
        if self._server is not None:
            os.killpg(self._server.process.pid, signal.SIGKILL)
            self.stop()

    def migrate(self, version: str) -> subprocess.CompletedProcess[str]:
        """Run ``mlflow db upgrade`` of a version."""
        return subprocess.run(
            [python_with(version), "-m", "mlflow", "db", "upgrade", self.database],
            env=clean_environment() | {"MLFLOW_DISABLE_TELEMETRY": "true"},
            capture_output=True,
            text=True,
            timeout=MIGRATION_SECONDS,
            check=False,
        )

    def upgraded(self, version: str) -> None:
        """Stop, migrate and start: an upgrade by hand."""
        self.stop()
        done = self.migrate(version)
        assert done.returncode == 0, done.stderr[-4000:]
        self.start(version)


class MlflowUnit(MlflowService):
    """The same as a unit of the stand-in for systemd, which an upgrade stops and starts.

    Attributes:
        unit: the unit.
    """

    def __init__(self, folder: Path, database: str, version: str) -> None:
        super().__init__(folder, database)
        options = (
            *("--artifacts-destination", str(self.artifacts)),
            *("--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"),
        )
        environment = {**ENVIRONMENT, "MLFLOW_BACKEND_STORE_URI": database}
        self.unit = Unit(folder / "versions", options, environment, version)

    def start(self, version: str) -> None:
        """See ``MlflowService``."""
        self.unit.go(version)
        seconds_until(lambda: is_healthy("127.0.0.1", self.port), START_SECONDS)

    def stop(self) -> None:
        """See ``MlflowService``."""
        self.unit.do("stop")


@dataclass(frozen=True)
class MaintenanceScene:
    """MLflow, and two gates with a store that they share.

    Attributes:
        server: the database server of the gates, and of MLflow where it has one there.
        mlflow: MLflow.
        store: of the gates.
        gates: the two.
        admin: the secret of a key with the role ``admin``.
        folder: for what a test leaves.
    """

    server: PostgresServer
    mlflow: MlflowService
    store: SharedStore
    gates: tuple[Gate, Gate]
    admin: str
    folder: Path

    def clients(self, *versions: str, label: str = "gates") -> list[ClientAt]:
        """A client for each version, turn by turn through both gates, and an exporter.

        ``label`` begins the names of what they make, so that others may be there.
        """
        urls = [f"{gate.url}/mlflow" for gate in self.gates]
        return clients_at(urls, self.admin, label, versions or (NEW, OLD))

    def ask(self, method: str, path: str, message: Mapping[str, object] | None = None) -> Any:
        """Ask the first gate's admin API for a success."""
        return called(self.gates[0], self.admin, method, path, message)

    def park(self, seconds: float = 240.0) -> str:
        """Park, and wait until nothing is under way at MLflow; the id of the park.

        Raises:
            AssertionError: requests are still under way after a minute.
        """
        park = self.ask("POST", f"{UPSTREAM}/park", {"seconds": seconds})["park"]["id"]
        seconds_until(lambda: bool(self.ask("GET", UPSTREAM)["drained"]), DRAIN_SECONDS)
        return str(park)

    def unpark(self) -> None:
        """Let the clients go on."""
        self.ask("POST", f"{UPSTREAM}/unpark", {})

    def upgrade(self, *arguments: str, killed_at: str = "", after: float = 0.0) -> Told:
        """``headgate mlflow upgrade``, to the new version unless ``arguments`` say otherwise.

        ``killed_at`` is the step in which the command is killed, so many seconds after its begin.
        """
        return self.command(
            "upgrade", *(arguments or ("--to", NEW)), killed_at=killed_at, after=after
        )

    def command(
        self, command: str, *arguments: str, killed_at: str = "", after: float = 0.0
    ) -> Told:
        """A command of ``headgate mlflow``, with all options that say where MLflow is."""
        assert isinstance(self.mlflow, MlflowUnit), "the scene has no unit"
        unit = self.mlflow.unit
        url_file = self.folder / "mlflow-database-url"
        url_file.write_text(f"{self.mlflow.database}\n", encoding="utf-8")
        program = ("tests.support.maintenance_killed", killed_at, str(after))
        verifies = () if command in {"plan", "status"} else ("--verify-size", "64KiB")
        done = subprocess.run(
            [
                *(sys.executable, "-m", *(program if killed_at else ("headgate",))),
                *("mlflow", command, *arguments),
                *("--unit", UNIT, "--current", str(unit.link), "--mlflow-url", self.mlflow.url),
                *("--url", f"{self.gates[0].url}/mlflow", "--database-url-file", str(url_file)),
                *("--state", str(self.state), "--json", *verifies),
                *("--pg-bin", str(require(POSTGRESQL).parent)),
            ],
            env=clean_environment()
            | {
                "MLFLOW_TRACKING_TOKEN": self.admin,
                "PATH": f"{unit.systemctl.parent}{os.pathsep}{os.environ['PATH']}",
            },
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        return Told(done.returncode, done.stdout, done.stderr)

    def rolled_back(self) -> Told:
        """``headgate mlflow rollback`` of an upgrade that ended, with the consent it needs."""
        taken = json.loads((self.state / "journal.json").read_text(encoding="utf-8"))["last"]
        return self.command("rollback", "--discard-since", utc(taken["snapshot"]["at"]))

    @property
    def state(self) -> Path:
        """The folder of the journal and the snapshots."""
        return self.folder / "state"

    def step(self) -> str:
        """Where the journal says that a command stopped; empty if nothing is in progress."""
        journal = json.loads((self.state / "journal.json").read_text(encoding="utf-8"))
        return str((journal["in_progress"] or {"step": ""})["step"])

    def head(self) -> str:
        """The schema that MLflow's database has."""
        statement = "SELECT version_num FROM alembic_version"
        if self.mlflow.database.startswith("sqlite:"):
            with closing(sqlite3.connect(self.folder / "mlflow/mlflow.db")) as database:
                return str(database.execute(statement).fetchone()[0])
        return self.server.execute(statement, "mlflow")


@dataclass(frozen=True)
class Told:
    """What a command said, and how it ended; -9: it was killed."""

    code: int
    output: str
    errors: str

    @property
    def document(self) -> Mapping[str, Any]:
        """What ``--json`` printed."""
        found: Mapping[str, Any] = json.loads(self.output[self.output.index("{\n") :])
        return found


@contextmanager
def maintenance_scene(
    folder: Path, kind: str, *, unit: bool = False, settings: Mapping[str, str] | None = None
) -> Iterator[MaintenanceScene]:
    """Run MLflow 3.14 and two gates until the block ends.

    ``kind`` of MLflow's database: ``postgresql`` or ``sqlite``.  ``unit``: whether MLflow is a
    unit of systemd, as an upgrade needs it.  ``settings`` are further ones of both gates.
    """
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(postgres_server(folder))
        made = _made(folder / "mlflow")
        database = _database(kind, server, made)
        mlflow = MlflowUnit(made, database, OLD) if unit else MlflowService(made, database)
        stack.callback(mlflow.stop)
        mlflow.start(OLD)
        store = shared_store(server, folder / "store", "gates", server.url("gates"))
        admin = store.told("keys", "create", "admin", "--role", "admin")
        gates = [
            stack.enter_context(
                gate_on(store, folder / name, mlflow.url, **GATE_SETTINGS, **(settings or {}))
            )
            for name in ("first", "second")
        ]
        yield MaintenanceScene(server, mlflow, store, (gates[0], gates[1]), admin, folder)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _database(kind: str, server: PostgresServer, folder: Path) -> str:
    if kind == "sqlite":
        return f"sqlite:///{folder / 'mlflow.db'}"
    assert kind == "postgresql", kind
    return server.url(server.create_database("mlflow"))
