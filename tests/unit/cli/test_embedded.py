"""The embedded MLflow server's command line, environment and log."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.cli.embedded import EmbeddedServer, server_command, server_environment


def test_the_server_keeps_everything_in_its_working_folder() -> None:
    command = server_command(5001)

    options = dict(zip(command[4::2], command[5::2], strict=True))
    assert command[1:4] == ["-m", "mlflow", "server"]
    assert options == {
        "--backend-store-uri": "sqlite:///mlflow.db",
        "--artifacts-destination": "./artifacts",
        "--host": "127.0.0.1",
        "--port": "5001",
        "--workers": "1",
    }


def test_no_setting_of_the_callers_client_reaches_the_server() -> None:
    """MLflow's server reads a variable for each option, a foreign database among them."""
    environment = server_environment(
        {
            "PATH": "/bin",
            "MLFLOW_BACKEND_STORE_URI": "postgresql://production",
            "MLFLOW_TRACKING_TOKEN": "hg_example",
            "_MLFLOW_SERVER_FILE_STORE": "/elsewhere",
            "HEADGATE_API_KEY": "hg_example",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "true",
        }
    )

    assert environment == {
        "PATH": "/bin",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
    }


@pytest.mark.parametrize(
    ("log", "lines"),
    [
        (b"", []),
        (b"\n\n", []),
        (b"one\ntwo\n\nthree  \n", ["two", "three"]),
        (b"no line end", ["no line end"]),
        (b"\xff\n", ["\N{REPLACEMENT CHARACTER}"]),
        (b"x" * 100_000 + b"\nlast\n", ["x" * (16 * 1024 - len("\nlast\n")), "last"]),
    ],
)
def test_the_last_lines_of_the_log(tmp_path: Path, log: bytes, lines: list[str]) -> None:
    server = EmbeddedServer([], tmp_path, 5001)
    server.log.write_bytes(log)

    assert server.last_lines(2) == lines
