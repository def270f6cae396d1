"""The commands of the page about upgrades, with ``headgate up`` and two real versions of MLflow."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from headgate.deploy.outcome import ExitCode
from tests.support.mlflow_versions import CURRENT, python_with
from tests.support.processes import ServerProcess, clean_environment
from tests.support.recipes import blocks

OLD = "3.14.0"
PAGE = "upgrade-mlflow"
SECONDS = 600.0

pytestmark = [pytest.mark.first, pytest.mark.timeout(1500)]


class Machine:
    """A ``headgate up`` with the old version, and a shell beside it."""

    def __init__(self, folder: Path, up: ServerProcess) -> None:
        self.folder = folder
        self._up = up
        welcome = up.wait_until(
            lambda: text if "Ctrl-C stops" in (text := up.output.read_text()) else None,
            "the welcome",
            SECONDS,
        )
        self._key = re.findall(r"API key +(\S+)", welcome)[0]

    def run(self, command: str) -> tuple[int, str]:
        """Run a command of the page; its exit code and what it says.

        Nothing of it, and of the command lines that it starts, has the key.
        """
        lasts = command.split()[2] in {"plan", "upgrade", "rollback"}
        longer = ["--max", "30m"] if lasts else []  # the machine may be busy
        words = [sys.executable, "-m", *shlex.split(command), *longer]
        done = subprocess.run(
            words,
            env=clean_environment() | {"HEADGATE_API_KEY": self._key},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        said = done.stdout + done.stderr
        assert self._key not in said
        return done.returncode, said

    def document(self, command: str) -> dict[str, object]:
        """What a command says for programs."""
        _, said = self.run(f"{command} --json")
        found: dict[str, object] = json.loads(said)
        return found


@contextmanager
def machine_in(folder: Path) -> Iterator[Machine]:
    """Run it, with both versions installed where the page says."""
    environments = folder / "headgate-data/mlflow"
    environments.mkdir(parents=True)
    for number in (OLD, CURRENT):
        # A folder of its own: its interpreter alone is a link, so that it finds its packages.
        python = python_with(number)
        (environments / number).symlink_to(python.parent.parent)
    old = environments / OLD / "bin/python"
    command = [
        *(sys.executable, "-m", "headgate", "up", "--data", str(folder / "headgate-data")),
        *("--mlflow-python", str(old)),
    ]
    settings = {"HEADGATE_OPS__LISTEN": ""}
    with ServerProcess(command, settings, folder, "up") as up:
        yield Machine(folder, up)


def commands() -> list[tuple[str, list[str]]]:
    """The commands of the page for ``headgate up``, each with the lines that it shows."""
    section = [each for each in blocks(PAGE, "console") if "headgate-data" in each]
    found: list[tuple[str, list[str]]] = []
    for line in "\n".join(section).splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line and line != "…":
            found[-1][1].append(line)
    return [each for each in found if each[0].startswith("headgate mlflow")]


def shows(said: str, line: str) -> bool:
    """Whether a line of the page is in what a command says; ``…`` is what differs."""
    pattern = ".*".join(re.escape(part) for part in line.split("…"))
    return re.search(pattern, said) is not None


def test_the_page_upgrades_and_rolls_back(tmp_path: Path) -> None:
    """Every command in its order, with the output that is shown."""
    with machine_in(tmp_path) as machine:
        said = ""
        for command, lines in commands():
            if "--discard-since TIME" in command:
                found = re.search(r"--discard-since (\S+)", said)
                assert found is not None
                command = command.replace("TIME", found[1])  # noqa: PLW2901 - as a person does
            code, said = machine.run(command)
            for line in lines:
                assert shows(said, line), (command, line, said)
            refuses = command.endswith("rollback --data headgate-data")
            assert code == (ExitCode.NOTHING_DONE if refuses else ExitCode.DONE), said
        status = machine.document("headgate mlflow status --data headgate-data")
        assert (status["in_progress"], status["last"]) == (None, None)
        plan = machine.document(f"headgate mlflow plan --data headgate-data --to {CURRENT}")
        assert plan["problems"] == []
        assert plan["from"] == {
            "version": OLD,
            "schema": "b7e4c1a90f23",
            "place": str(machine.folder / "headgate-data/mlflow" / OLD / "bin/python"),
        }
