"""A real MLflow that is replaced by a newer one, with two gates in front of it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support.gate import Gate
from tests.support.maintenance_load import EXPORTER, ClientAt
from tests.support.maintenance_unit import Unit
from tests.support.mlflow_server import (
    ENVIRONMENT,
    START_SECONDS,
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
GATE_SETTINGS: Final = {"HEADGATE_UPSTREAMS__DEFAULT__PROBES__INTERVAL": "1"}


class MlflowService:
    """MLflow at one address and with one database, whichever version runs at the moment."""

    def __init__(self, folder: Path, database: str) -> None:
        self._folder = folder
        self._running: contextlib.ExitStack | None = None
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
        stack.enter_context(
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
            self._running = None

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

    def clients(self, *versions: str) -> list[ClientAt]:
        """A client for each version, turn by turn through both gates, and an exporter."""
        urls = [f"{gate.url}/mlflow" for gate in self.gates]
        return [
            *(
                ClientAt(urls[number % 2], self.admin, f"client-{number}", python_with(version))
                for number, version in enumerate(versions or (NEW, OLD))
            ),
            ClientAt(urls[-1], self.admin, "exporter", program=EXPORTER),
        ]

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

    def run(self, *arguments: str, seconds: float) -> subprocess.CompletedProcess[str]:
        """Run ``headgate`` with the settings of the gates and the admin's key."""
        return subprocess.run(
            self.command(*arguments),
            env=clean_environment() | self.environment(),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def command(self, *arguments: str) -> list[str]:
        """The command line of ``headgate``."""
        return [sys.executable, "-m", "headgate", *arguments]

    def environment(self) -> dict[str, str]:
        """What it is run with, beside the rest of the environment."""
        return {
            **self.store.settings,
            "HEADGATE_URL": self.gates[0].url,
            "HEADGATE_KEY": self.admin,
        }


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
