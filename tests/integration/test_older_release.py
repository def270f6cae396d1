"""The release before schema 4, run beside this one on one key store, and after it."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headgate.config import Config
from headgate.stores import KeyRecord, open_identity_store
from tests.support.gate import Gate, running_gate
from tests.support.keys import make_key
from tests.support.processes import clean_environment

RELEASE = "addb877"
"""The last commit with schema 3."""
NOWHERE = "http://127.0.0.1:9"
PROMISE = 10.0  # seconds; two on a machine that does nothing else
TARGET = "/api/2.0/mlflow/experiments/search?max_results=1"


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its sources."""
    folder = tmp_path_factory.mktemp("older")
    archive = ["git", "archive", RELEASE, "src/headgate"]
    done = subprocess.run(archive, check=False, capture_output=True, timeout=60)
    if done.returncode != 0:
        pytest.skip(f"git has no commit {RELEASE} here")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return folder / "src"


def keys(data: Path, *arguments: str, source: Path | None = None) -> str:
    """What ``headgate keys`` prints: this version's, or the one in ``source``."""
    done = subprocess.run(
        [sys.executable, "-m", "headgate", "keys", *arguments, "--data", str(data)],
        check=False,
        capture_output=True,
        text=True,
        env=clean_environment() | ({} if source is None else {"PYTHONPATH": str(source)}),
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def names(data: Path, source: Path | None = None) -> dict[str, Mapping[str, Any]]:
    listed = json.loads(keys(data, "list", "--json", source=source))["keys"]
    return {each["name"]: each for each in listed}


def status(gate: Gate, key: str, wanted: int) -> int:
    """What a gate responds with, as soon as it is what is ``wanted``."""
    deadline = time.monotonic() + PROMISE
    while (code := gate.ask("GET", TARGET, key=key).status) != wanted:
        if time.monotonic() > deadline:
            break
    return code


ACCEPTED = 503  # MLflow is not there
REFUSED = 401
NOT_ALLOWED = 403


def test_upgrade_roll_back_and_run_both_side_by_side(older: Path, tmp_path: Path) -> None:
    """What either writes, the other follows; nothing means more to the older one."""
    data = tmp_path / "old" / "data"
    first = keys(data, "create", "first", source=older)
    # It does not know every setting of this one.
    environment = {"PYTHONPATH": str(older), "HEADGATE_OPS__LISTEN": None}
    shared = {"HEADGATE_DATA": str(data)}
    with contextlib.ExitStack() as stack:

        def start(name: str, more: Mapping[str, str | None]) -> Gate:
            return stack.enter_context(running_gate(tmp_path / name, NOWHERE, shared | dict(more)))

        (tmp_path / "new").mkdir()
        old = start("old", environment)
        assert status(old, first, ACCEPTED) == ACCEPTED

        second = make_key(data, "second")  # which upgrades the store under it
        assert names(data).keys() == {"first", "second"}
        assert status(old, second, ACCEPTED) == ACCEPTED
        new = start("new", {})
        for key in (first, second):
            assert status(new, key, ACCEPTED) == ACCEPTED

        third = keys(data, "create", "third", source=older)
        keys(data, "revoke", "second", source=older)
        make_key(data, "fourth")
        for gate in (old, new):
            assert status(gate, third, ACCEPTED) == ACCEPTED
            assert status(gate, second, REFUSED) == REFUSED
        for source in (None, older):
            assert names(data, source)["second"]["state"] == "revoked"
            assert names(data, source).keys() == {"first", "second", "third", "fourth"}

        with (
            open_identity_store(Config(data=data)) as store,
            store.transaction() as transaction,
        ):
            record = transaction.key("third")
            assert isinstance(record, KeyRecord)
            transaction.put_key(replace(record, narrowing=("read:runs",)))
        assert status(old, third, NOT_ALLOWED) == NOT_ALLOWED

    with running_gate(tmp_path / "old", NOWHERE, shared | environment) as rolled_back:
        assert status(rolled_back, first, ACCEPTED) == ACCEPTED
        assert status(rolled_back, second, REFUSED) == REFUSED
        assert status(rolled_back, third, NOT_ALLOWED) == NOT_ALLOWED
