"""The commands of the page on parking, typed as it shows them, at a gate in front of MLflow."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.debian import POSTGRESQL, require
from tests.support.gate import Gate, create_key, running_gate
from tests.support.messages_of_pages import blocks, shows
from tests.support.mlflow_server import MlflowServer
from tests.support.parked_gates import FOLLOWED_SECONDS, upstream_of
from tests.support.postgres import PostgresServer, postgres_server
from tests.support.processes import clean_environment
from tests.support.waiting import seconds_until

PAGE = Path(__file__).parents[2] / "docs/how-to/park-mlflow.md"
SEARCH = "/api/2.0/mlflow/experiments/search?max_results=1"
CREATE = "/api/2.0/mlflow/experiments/create"
SECONDS = 120.0


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """What is backed up."""
    with postgres_server(tmp_path_factory.mktemp("database")) as server:
        server.create_database("mlflow")
        server.execute("CREATE TABLE runs (id text)", "mlflow")
        yield server


def test_the_page_is_followed(
    mlflow_server: MlflowServer, database: PostgresServer, tmp_path: Path
) -> None:
    admin = create_key(tmp_path / "data", "operator", ["admin"])
    page = [
        each.text
        for each in blocks(_unindented(PAGE.read_text(encoding="utf-8")))
        if each.language == "console"
    ]
    done = []
    with running_gate(tmp_path, mlflow_server.url) as gate:
        for block in page:
            for command, *expected in _commands(block):
                said = _typed(command, gate, admin, database, tmp_path)
                for line in expected:
                    assert shows(line, said), f"{block}\nis not what is printed:\n{said}"
                done.append(command.split()[1] if command.startswith("headgate") else command)
                if "read-only on" in command:
                    refused = gate.ask("POST", CREATE, key=admin, body=b'{"name": "late"}')
                    assert (refused.status, refused.get("X-Headgate-Reason")) == (429, "read_only")
                    assert gate.ask("GET", SEARCH, key=admin).status == 200
        seconds_until(lambda: upstream_of(gate, admin)["state"] == "serving", FOLLOWED_SECONDS)
    assert (tmp_path / "mlflow.dump").stat().st_size > 0
    assert done[:3] == ["park", "park", "unpark"]
    assert done.count("gates") == 2
    assert done.count("read-only") == 2


def test_the_script_of_the_page_ends_with_writes_that_go_on(
    mlflow_server: MlflowServer, database: PostgresServer, tmp_path: Path
) -> None:
    admin = create_key(tmp_path / "data", "operator", ["admin"])
    (script,) = [
        each.text
        for each in blocks(PAGE.read_text(encoding="utf-8"))
        if each.heading == "In a script"
    ]
    with running_gate(tmp_path, mlflow_server.url) as gate:
        _typed(script, gate, admin, database, tmp_path)
        assert (tmp_path / "mlflow.dump").stat().st_size > 0
        assert upstream_of(gate, admin)["read_only"] is None
        assert upstream_of(gate, admin)["revision"] == 2


def _typed(command: str, gate: Gate, admin: str, database: PostgresServer, folder: Path) -> str:
    """What a shell prints."""
    if "gates remove" in command:
        (gate_id,) = [each["id"] for each in upstream_of(gate, admin)["gates"]]
        command = f"headgate gates remove {gate_id}"
    programs = [Path(sys.executable).parent, require(POSTGRESQL).parent, os.environ["PATH"]]
    environment = {
        "PATH": os.pathsep.join(map(str, programs)),
        "MLFLOW_TRACKING_URI": gate.url,
        "HEADGATE_API_KEY": admin,
        "MLFLOW_DATABASE": database.url("mlflow"),
    }
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=clean_environment() | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


def _commands(block: str) -> Iterator[list[str]]:
    """Each command of a block, with the lines that it prints."""
    for part in block.split("$ ")[1:]:
        command, *expected = part.splitlines()
        yield [command, *expected]


def _unindented(page: str) -> str:
    """The page with blocks of its lists at the margin."""
    return "\n".join(
        line[3:] if line.startswith("   ") else line.removeprefix("  ")
        for line in page.splitlines()
    )
