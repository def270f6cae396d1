"""The commands of two how-tos, as they stand there: the first key, and one for an emergency."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support.gate import running_gate
from tests.support.processes import clean_environment

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
NOWHERE = "http://127.0.0.1:9"
SECONDS = 20.0


def script(page: str) -> str:
    """The one block of shell commands of a page."""
    text = (HOW_TO / page).read_text("utf-8")
    (block,) = re.findall(r"^( *)```sh\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    return textwrap.dedent(block[1])


def run(commands: str, folder: Path) -> None:
    bin_folder = Path(sys.executable).parent
    environment = clean_environment()
    environment["PATH"] = f"{bin_folder}:{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env=environment | {"HEADGATE_DATA": str(folder / "data")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_first_key_without_a_shell(tmp_path: Path) -> None:
    run(script("first-key-without-a-shell.md"), tmp_path)
    key = (tmp_path / "first-key").read_text("ascii").strip()
    assert (tmp_path / "first-key").stat().st_mode & 0o77 == 0
    settings = {"HEADGATE_AUTH__FIRST_KEY_SHA256_FILE": str(tmp_path / "first-key.sha256")}
    with running_gate(tmp_path, NOWHERE, settings) as gate:
        assert gate.ask("GET", "/-/metrics", key=key).status == 200
        event = gate.event("first_key_taken")
        assert event["level"] == "warning"
        assert key not in gate.process.errors.read_text("utf-8")


def test_a_key_for_an_emergency(tmp_path: Path) -> None:
    file = tmp_path / "headgate.toml"
    file.write_text("# the configuration of the gate\n", encoding="utf-8")
    with running_gate(tmp_path, NOWHERE, {"HEADGATE_CONFIG": str(file)}) as gate:
        run(script("break-glass.md"), tmp_path)
        key = (tmp_path / "emergency-key").read_text("ascii").strip()
        gate.process.wait_until(
            lambda: gate.ask("GET", "/-/metrics", key=key).status == 200 or None, "a 200", SECONDS
        )
        assert gate.event("break_glass_used")["reason"] == "the database does not come back"


@pytest.mark.parametrize("page", ["first-key-without-a-shell.md"])
def test_the_digest_of_the_page_is_refused(page: str, tmp_path: Path) -> None:
    text = (HOW_TO / page).read_text("utf-8")
    (digest,) = re.findall(r"FIRST_KEY_SHA256=([0-9a-f]{64})", text)
    done = subprocess.run(
        [sys.executable, "-m", "headgate", "serve"],
        env=clean_environment()
        | {"HEADGATE_DATA": str(tmp_path), "HEADGATE_AUTH__FIRST_KEY_SHA256": digest},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "auth.first_key_sha256 (from HEADGATE_AUTH__FIRST_KEY_SHA256): is the" in done.stderr
