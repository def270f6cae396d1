"""MLflow with two gates of two workers in front of it, to be parked through the admin API."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support.distant_database import line_to
from tests.support.gate import Gate
from tests.support.mlflow_server import MlflowServer, running_mlflow
from tests.support.postgres import postgres_server
from tests.support.two_gates import SharedStore, called, gate_on, shared_store
from tests.support.waiting import seconds_until

WORKERS: Final = {"HEADGATE_LISTEN__WORKERS": "2"}
UPSTREAM: Final = "/upstreams/default"
DRAIN_SECONDS: Final = 60.0
REPORT_SECONDS: Final = 30.0


@dataclass(frozen=True)
class ParkedScene:
    """Two gates that share a store, in front of one MLflow."""

    mlflow: MlflowServer
    gates: tuple[Gate, Gate]
    store: SharedStore
    admin: str

    def ask(self, method: str, path: str = "", message: Mapping[str, object] | None = None) -> Any:
        """What the first gate says of the upstream."""
        return called(self.gates[0], self.admin, method, UPSTREAM + path, message)

    def park(self, seconds: float, **more: object) -> None:
        """Park, and wait until nothing is under way at any gate.

        Raises:
            AssertionError: requests were under way for longer than ``DRAIN_SECONDS``.
        """
        self.ask("POST", "/park", {"seconds": seconds, "sentence": "a rehearsal", **more})
        seconds_until(lambda: bool(self.ask("GET")["drained"]), DRAIN_SECONDS)

    def unpark(self) -> None:
        """End the park."""
        self.ask("POST", "/unpark", {})

    def waiting(self) -> int:
        """How many requests the gates hold."""
        return sum(each["waiting"] for each in self.ask("GET")["gates"])

    def key(self, name: str) -> str:
        """A key of a principal of its own, which may do everything that clients do."""
        return self.store.told("keys", "create", name, "--role", "admin")


@contextmanager
def parked_scene(
    folder: Path,
    settings: Mapping[str, str] | None = None,
    *,
    sqlite: bool = False,
    away: float = 0.0,
) -> Iterator[ParkedScene]:
    """Run MLflow, a database and two gates, with ``settings`` for both, until the block ends.

    MLflow has the connections to its database that it has by default: 5, and 10 more.

    Args:
        folder: of all files.
        settings: environment variables of the gates.
        sqlite: MLflow keeps its data in SQLite; otherwise in PostgreSQL.
        away: seconds that a packet takes from MLflow to PostgreSQL, or back.
    """
    more = WORKERS | dict(settings or {})
    for name in ("mlflow", "store"):
        (folder / name).mkdir(parents=True)
    with ExitStack() as stack:
        server = stack.enter_context(postgres_server(folder))
        server.create_database("mlflow")
        database = server.url("mlflow").replace("postgresql:", "postgresql+psycopg2:", 1)
        line = stack.enter_context(line_to(server.port))
        if away:
            database = database.replace(f":{server.port}/", f":{line.port}/")
        mlflow = stack.enter_context(
            running_mlflow(folder / "mlflow", database=None if sqlite else database)
        )
        line.seconds = away  # not for the migrations of its start
        store = shared_store(server, folder / "store", "gates", server.url("gates"))
        admin = store.told("keys", "create", f"admin-{time.time_ns()}", "--role", "admin")
        with (
            gate_on(store, folder / "first", mlflow.url, **more) as first,
            gate_on(store, folder / "second", mlflow.url, **more) as second,
        ):
            scene = ParkedScene(mlflow, (first, second), store, admin)
            # A gate that has not reported yet is not waited for.
            seconds_until(lambda: len(scene.ask("GET")["gates"]) == 2, REPORT_SECONDS)
            yield scene
