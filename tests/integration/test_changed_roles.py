"""Keys from before a role lost a grant, and their holders, are named."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from pathlib import Path
from typing import Any

from headgate.auth.keys.issuing import issue
from headgate.config import Config
from headgate.stores import open_key_store
from tests.support.gate import Gate, create_key, running_gate

NOWHERE = "http://127.0.0.1:9"
CHAT = "/gateway/mlflow/v1/chat/completions"
SECOND_SCHEMA = """
CREATE TABLE old AS SELECT serial, id, name, digest, created_at, expires_at, revoked_at, roles
FROM keys;
DROP TABLE keys;
CREATE TABLE keys (
    serial INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
    digest BLOB NOT NULL UNIQUE, created_at INTEGER NOT NULL, expires_at INTEGER,
    revoked_at INTEGER, roles TEXT NOT NULL DEFAULT ''
);
INSERT INTO keys SELECT * FROM old;
DROP TABLE old;
PRAGMA user_version = 2;
"""


def events(gate: Gate) -> list[dict[str, Any]]:
    lines = gate.process.errors.read_text(encoding="utf-8").splitlines()
    told = [json.loads(line) for line in lines if line.startswith("{")]
    return [event for event in told if event["event"] == "roles_changed"]


def test_keys_of_an_older_store_that_lost_the_calls_of_models_are_named(tmp_path: Path) -> None:
    """By one worker, at each start, until somebody has decided; never keys made since."""
    data = tmp_path / "data"
    now = time.time()
    key = create_key(data, "training")
    with open_key_store(Config(data=data)) as store:
        for name, roles in (("ops", ["admin"]), ("looks", ["viewer"]), ("gone", ["writer"])):
            issue(store, name, now, roles=roles)
        issue(store, "other", now, roles=["writer"])
        store.revoke("gone", now)
    with contextlib.closing(sqlite3.connect(data / "keys.sqlite")) as connection:
        connection.executescript(SECOND_SCHEMA)
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
    with open_key_store(Config(data=data)) as store:
        store.set_roles("training", ["writer", "llm-user"])
        store.set_roles("other", ["writer"])
    with running_gate(tmp_path, NOWHERE) as gate:
        assert events(gate) == []
        assert gate.ask("POST", CHAT, key=key, body=b"{}").status != 403
