"""The key store's URL as an environment variable: it works, and its password shows nowhere."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gate import running_gate
from tests.support.postgres import PostgresServer, postgres_server
from tests.support.processes import clean_environment
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed
from tests.support.workers import worker_pids

VARIABLE = "HEADGATE_AUTH__DATABASE_URL"
CANARY = "canary-b7e23ec29af2"
SECONDS = 30.0


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with postgres_server(tmp_path_factory.mktemp("postgres")) as server:
        server.create_database("keys")
        server.execute(f"CREATE ROLE gate LOGIN PASSWORD '{CANARY}'")
        server.execute("GRANT ALL ON DATABASE keys TO gate")
        yield made_url(server)


def made_url(server: PostgresServer) -> str:
    return server.url("keys", "gate", CANARY)


def run(url: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "headgate", *arguments],
        env=clean_environment() | {VARIABLE: url} | more,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert CANARY not in done.stdout + done.stderr
    return done


def test_the_password_is_in_no_output_no_log_and_no_process(url: str, tmp_path: Path) -> None:
    assert run(url, "db", "upgrade").returncode == 0
    for command in (["check"], ["check", "--json"], ["db", "check"], ["db", "current", "--json"]):
        done = run(url, *command)
        assert done.returncode == 0, done.stderr
        assert "127.0.0.1" in done.stdout
    key = run(url, "keys", "create", "reader", "--role", "admin").stdout.split()[-1]
    settings = {VARIABLE: url}
    with (
        RecordingUpstream(fixed()) as upstream,
        running_gate(tmp_path, upstream.url, settings) as gate,
    ):
        gate.process.wait_until(
            lambda: gate.ask("GET", "/version", key=key).status == 200 or None, "a key", SECONDS
        )
        health = gate.ask("GET", "/-/health", key=key)
        assert health.status == 200
        assert CANARY.encode() not in health.body
        for pid in (gate.process.pid, *worker_pids(gate.process)):
            variables = Path(f"/proc/{pid}/environ").read_bytes()
            assert CANARY.encode() not in variables
            assert b"HEADGATE_DATA=" in variables  # it is the environment of a gate
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
            assert CANARY.encode() not in arguments
    written = [each for each in tmp_path.rglob("*") if each.is_file()]
    assert written
    assert not [each for each in written if CANARY.encode() in each.read_bytes()]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("postgresql", "mysql"), "auth.database_url: the URL does not begin with postgresql://"),
        (("gate:", "gate:wrong"), "refuses the password: correct the URL in auth.database_url"),
        (("/keys", "/nothing"), "does not exist on that server"),
        (("/keys", "/keys?canary=1"), "has a parameter that libpq does not know"),
    ],
)
def test_what_is_wrong_with_it_is_said_without_it(
    change: tuple[str, str], why: str, url: str
) -> None:
    done = run(url.replace(*change), "db", "check")
    assert done.returncode == 2
    assert why in done.stderr


def test_an_empty_one_and_two_are_refused(url: str, tmp_path: Path) -> None:
    assert "auth.database_url: the URL is empty" in run("", "check").stderr
    file = tmp_path / "url"
    file.write_text(url)
    done = run(url, "check", HEADGATE_AUTH__DATABASE_URL_FILE=str(file))
    assert done.returncode == 2
    assert "auth.database_url_file: is given together with auth.database_url" in done.stderr
    settings = tmp_path / "headgate.toml"
    settings.write_text("[auth]\ndatabase_url = 5\n")
    wrong = subprocess.run(
        [sys.executable, "-m", "headgate", "check", "--config", str(settings)],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert wrong.stderr == "headgate: auth.database_url: must be a string, in quotes\n"
