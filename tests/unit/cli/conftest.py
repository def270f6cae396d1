"""What the tests of the commands on keys and principals share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner

from headgate.cli import keys, principals
from headgate.errors import HeadgateError
from tests.support.commands import Commands

APPS: dict[str, Typer] = {"keys": keys.app, "principals": principals.app}


@pytest.fixture
def headgate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """Runs one command on the folder ``data``; errors for the operator are raised."""
    for name in os.environ:
        if name.startswith(("HEADGATE_", "MLFLOW_")):
            monkeypatch.delenv(name)
    data = tmp_path / "data"

    def run(group: str, *arguments: str, typed: str | bytes | None = None) -> object:
        given = [*arguments, "--data", str(data)]
        result = CliRunner().invoke(APPS[group], given, input=typed)
        if isinstance(result.exception, HeadgateError):
            raise result.exception
        return result

    return Commands(data, run)
