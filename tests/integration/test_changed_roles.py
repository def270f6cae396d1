"""Keys from before a role lost a grant, and their holders, are named."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

from headgate.stores import KeyRecord
from tests.support.gate import Gate, create_key, running_gate
from tests.support.keys import make_keys, revoke_key, set_roles, stored_keys

NOWHERE = "http://127.0.0.1:9"
CHAT = "/gateway/mlflow/v1/chat/completions"
SECOND_SCHEMA = """
CREATE TABLE keys (
    serial INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
    digest BLOB NOT NULL UNIQUE, created_at INTEGER NOT NULL, expires_at INTEGER,
    revoked_at INTEGER, roles TEXT NOT NULL DEFAULT ''
);
PRAGMA application_id = 0x48476B73;
PRAGMA user_version = 2;
"""


def make_older(file: Path, keys: list[KeyRecord]) -> None:
    """Put a key store of the second schema in the place of another."""
    file.unlink()
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.executescript(SECOND_SCHEMA)
        for each in keys:
            values = (each.id, each.name, each.digest, each.created_at, each.revoked_at)
            connection.execute(
                "INSERT INTO keys (id, name, digest, created_at, revoked_at, roles) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (*values, " ".join(each.roles)),
            )
        connection.commit()
    file.chmod(0o600)


def events(gate: Gate) -> list[dict[str, Any]]:
    lines = gate.process.errors.read_text(encoding="utf-8").splitlines()
    told = [json.loads(line) for line in lines if line.startswith("{")]
    return [event for event in told if event["event"] == "roles_changed"]


def test_keys_of_an_older_store_that_lost_the_calls_of_models_are_named(tmp_path: Path) -> None:
    """By one worker, at each start, until somebody has decided; never keys made since."""
    data = tmp_path / "data"
    key = create_key(data, "training")
    make_keys(
        data, {"ops": ["admin"], "looks": ["viewer"], "gone": ["writer"], "other": ["writer"]}
    )
    revoke_key(data, "gone")
    make_older(data / "keys.sqlite", stored_keys(data))
    for _ in range(2):
        with running_gate(tmp_path, NOWHERE, {"HEADGATE_LISTEN__WORKERS": "2"}) as gate:
            (event,) = events(gate)
            assert event["keys"] == ["training", "other"]
            assert event["level"] == "warning"
            assert "headgate keys set-roles NAME --role writer --role llm-user" in event["message"]
            refused = gate.ask("POST", CHAT, key=key, body=b"{}")
            assert refused.status == 403
            assert b"ask the gate's operator for role llm-user" in refused.body
    create_key(data, "new")
    set_roles(data, "training", ["writer", "llm-user"])
    set_roles(data, "other", ["writer"])
    with running_gate(tmp_path, NOWHERE) as gate:
        assert events(gate) == []
        assert gate.ask("POST", CHAT, key=key, body=b"{}").status != 403
