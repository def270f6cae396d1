"""The commands of the how-to, as they stand there, against a real gate."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gate import Gate, create_key, running_gate
from tests.support.processes import clean_environment

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "administer-over-http.md"
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
SETTINGS, FUNCTION, *STEPS = BLOCKS
COMMANDS = [block for block in STEPS if block.startswith("headgate ")]
CALLS = [block for block in STEPS if block not in COMMANDS]

pytestmark = pytest.mark.skipif(
    shutil.which("curl") is None or shutil.which("jq") is None, reason="needs curl and jq"
)


@pytest.fixture(scope="module")
def admin_key() -> list[str]:
    return []


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory, admin_key: list[str]) -> Iterator[Gate]:
    folder = tmp_path_factory.mktemp("gate")
    admin_key.append(create_key(folder / "data", "root", ["admin"]))
    with running_gate(folder, "http://127.0.0.1:9") as running:
        yield running


def shell(gate: Gate, key: str, folder: Path, script: str) -> str:
    """What a shell prints that runs ``script`` with the settings of the page."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"{FUNCTION}\n{script}"],
        cwd=folder,
        env=clean_environment() | {"GATE": gate.url, "HEADGATE_API_KEY": key},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_settings_are_those_that_the_examples_use() -> None:
    assert re.findall(r"export (\w+)=", SETTINGS) == ["GATE", "HEADGATE_API_KEY"]
    assert len(CALLS) == 4


def test_the_calls_do_what_the_page_says(gate: Gate, admin_key: list[str], tmp_path: Path) -> None:
    (key,) = admin_key
    look, give, rotate, disable = CALLS
    seen = shell(gate, key, tmp_path, look)
    assert '"grants": [\n    "*:*"' in seen
    assert "writer" in seen.split()
    made = shell(gate, key, tmp_path, give).splitlines()[-1]
    wait_for(gate, made, 200)
    shell(gate, key, tmp_path, rotate)
    wait_for(gate, made, 401)
    rotated = shell(gate, key, tmp_path, "jq -r .secret key.json").strip()
    wait_for(gate, rotated, 200)
    shell(gate, key, tmp_path, disable)
    wait_for(gate, rotated, 401)
    changes = [
        each["change"]
        for each in gate.events()
        if each["event"] == "administered" and each["target"].startswith("training")
    ]
    assert changes == [
        "principal_created",
        "key_created",
        "key_rotated",
        "key_revoked",
        "principal_disabled",
    ]


def test_the_command_line_works_through_the_gate(
    gate: Gate, admin_key: list[str], tmp_path: Path
) -> None:
    (key,) = admin_key
    (commands,) = COMMANDS
    program = f'headgate() {{ {shlex.quote(sys.executable)} -m headgate "$@"; }}\n'
    printed = shell(gate, key, tmp_path, program + commands)
    (made,) = [line for line in printed.splitlines() if line.startswith("hg_")]
    wait_for(gate, made, 200)
    assert "root" in printed


def wait_for(gate: Gate, key: str, status: int) -> None:
    """Wait until a key is responded to so: the gate follows the store within 2 seconds."""
    gate.process.wait_until(lambda: me(gate, key) == status or None, f"status {status}", 5.0)


def me(gate: Gate, key: str) -> int:
    return gate.ask("GET", "/-/api/v1/me", key=key).status


def test_no_log_has_a_secret(gate: Gate, admin_key: list[str], tmp_path: Path) -> None:
    (key,) = admin_key
    script = 'gate POST keys -d \'{"name": "quiet"}\' | jq -r .secret'
    secret = shell(gate, key, tmp_path, script).strip()
    assert me(gate, key) == 200
    logs = gate.process.errors.read_text("utf-8") + gate.process.output.read_text("utf-8")
    assert "quiet" in logs
    for each in (secret, key):
        assert each not in logs
        assert each[3:20] not in logs
