"""Secrets are removed from the environment of a gate, and only these."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import clean_environment

CANARY = "canary-0f3c"
PROGRAM = """
import json, os, pathlib, subprocess, sys
from headgate.cli.secret_environment import take_environment
taken = take_environment()
child = subprocess.run(["env"], capture_output=True, text=True, check=True).stdout
shown = pathlib.Path("/proc/self/environ").read_bytes().decode()
print(json.dumps([taken.get(sys.argv[1]), sys.argv[1] in os.environ, child, shown]))
"""


@pytest.mark.parametrize("name", ["HEADGATE_AUTH__DATABASE_URL", "HEADGATE_auth__database_url"])
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux's /proc")
def test_neither_the_process_nor_its_children_have_it(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, name],
        env=clean_environment() | {name: CANARY, "HEADGATE_DATA": "kept"},
        capture_output=True,
        text=True,
        check=True,
    )
    taken, left, child, shown = json.loads(done.stdout)
    assert taken == CANARY
    assert not left
    for text in (child, shown):
        assert CANARY not in text
        assert "HEADGATE_DATA=kept" in text
