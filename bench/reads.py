"""Reads that are authenticated, of a real MLflow: by the gate, by MLflow's own app, by nobody.

MLflow has one worker and, with more than one core, a core to itself; load and gate share the
others.  So what is measured is how much of the pace of MLflow is left.
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import wrk
from bench.peers.field import running
from bench.peers.launch import placed
from bench.peers.programs import Program
from bench.series import Better, Series, alternating
from bench.setting import CannotMeasureError, Setting
from bench.targets import GATE
from tests.support.mlflow_server import MlflowServer, running_mlflow
from tests.support.mlflow_versions import BASIC_AUTH as ENVIRONMENT
from tests.support.mlflow_versions import python_with

CONNECTIONS = 8
SECONDS = 5
WARM_UP_SECONDS = 3  # an app that hashes a password for each request has done none after one
CACHE_SECONDS = 300
MLFLOW = "mlflow"
BASIC_AUTH = "mlflow basic-auth"
BASIC_AUTH_CACHED = "mlflow basic-auth, cache on"
_ADMIN = ("admin", "a password of the benchmark")
_USER = ("reader", "another password of the benchmark")


@dataclass(frozen=True)
class _Way:
    """A server to read from, and what the load presents there."""

    port: int
    experiment: str
    key: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)

    def read(self, seconds: int) -> float:
        """How many reads a second were done."""
        target = f"/api/2.0/mlflow/experiments/get?experiment_id={self.experiment}"
        variables = {"BENCH_TARGET": target, **self.variables}
        return wrk.run(
            "read",
            self.port,
            self.key,
            connections=CONNECTIONS,
            seconds=seconds,
            environment=variables,
        ).rate


def measure(setting: Setting, programs: Sequence[Program]) -> list[Series]:
    """Read one experiment again and again, each way in turn in each round.

    The user of MLflow's app is no administrator: for those it skips what it does for others, to
    look at permissions.

    Raises:
        CannotMeasureError: MLflow's app does not start here.
    """
    with contextlib.ExitStack() as stack:
        ways = _ways(setting, programs, stack)
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for way in ways.values():
            way.read(WARM_UP_SECONDS)
        for turn, names in enumerate(alternating(list(ways), setting.rounds), start=1):
            setting.say(f"reads: round {turn} of {setting.rounds}")
            for name in names:
                rates[name].append(ways[name].read(setting.choose(SECONDS, WARM_UP_SECONDS)))
    title = f"Authenticated reads of MLflow on {CONNECTIONS} connections"
    return [Series("reads.rate", title, "1/s", Better.HIGHER, rates)]


def _ways(
    setting: Setting, programs: Sequence[Program], stack: contextlib.ExitStack
) -> dict[str, _Way]:
    found: dict[str, _Way] = {}
    server, experiment = stack.enter_context(_mlflow(setting, "bare"))
    found[MLFLOW] = _Way(server.port, experiment)
    for program in programs:
        folder = setting.folder / program.name
        with placed(setting.proxy_cores):
            gate = stack.enter_context(running(setting, program, folder, server.port))
        found[GATE if program is programs[0] else program.name] = _Way(
            gate.port, experiment, gate.key
        )
    for name, seconds in ((BASIC_AUTH, 0), (BASIC_AUTH_CACHED, CACHE_SECONDS)):
        server, experiment = stack.enter_context(_basic_auth(setting, seconds))
        variables = {"BENCH_AUTHORIZATION": _basic(*_USER)}
        found[name] = _Way(server.port, experiment, "", variables)
    return found


@contextmanager
def _mlflow(setting: Setting, name: str) -> Iterator[tuple[MlflowServer, str]]:
    """A bare server, and the id of an experiment in it."""
    folder = setting.folder / name
    folder.mkdir()
    python = python_with(ENVIRONMENT)
    with placed(setting.other_cores), running_mlflow(folder, python=python) as server:
        made = server.call("POST", "2.0/mlflow/experiments/create", {"name": "bench"})
        yield server, made["experiment_id"]


@contextmanager
def _basic_auth(setting: Setting, cached: int) -> Iterator[tuple[MlflowServer, str]]:
    """A server with MLflow's app, and an experiment that the user may read by default."""
    folder = setting.folder / f"basic-auth-{cached}"
    folder.mkdir()
    environment, python = _app(folder, cached), python_with(ENVIRONMENT)
    options = ("--app-name", "basic-auth")
    with (
        placed(setting.other_cores),
        running_mlflow(folder, environment, options=options, python=python) as server,
    ):
        user = {"username": _USER[0], "password": _USER[1]}
        _as_admin(server, "users/create", user)
        yield server, _as_admin(server, "experiments/create", {"name": "bench"})["experiment_id"]


def _app(folder: Path, cached: int) -> dict[str, str]:
    file = folder / "basic_auth.ini"
    file.write_text(
        "[mlflow]\ndefault_permission = READ\n"
        f"database_uri = sqlite:///{folder / 'users.db'}\nadmin_username = {_ADMIN[0]}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
        f"auth_cache_ttl_seconds = {cached}\n",
        encoding="utf-8",
    )
    return {
        "MLFLOW_AUTH_CONFIG_PATH": str(file),
        "MLFLOW_AUTH_ADMIN_PASSWORD": _ADMIN[1],
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "a secret of the benchmark",
    }


def _as_admin(server: MlflowServer, path: str, message: Mapping[str, str]) -> dict[str, str]:
    fields = ("Content-Type: application/json", f"Authorization: {_basic(*_ADMIN)}")
    body = json.dumps(message).encode()
    response = server.ask("POST", f"/api/2.0/mlflow/{path}", *fields, body=body)
    if response.status != 200:
        raise CannotMeasureError(f"MLflow's app refuses {path}: {response.body!r}")
    found: dict[str, str] = json.loads(response.body)
    return found


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
