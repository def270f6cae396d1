"""Keys made and revoked by ``headgate keys`` reach a gate that is running in another process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from headgate.auth.chain import AuthenticatorChain, Identified, Waiting
from headgate.auth.keys.authenticator import KeyAuthenticator
from headgate.auth.keys.keyring import Keyring
from headgate.auth.keys.refresher import Refresher
from headgate.config import Config
from headgate.errors import Refusal
from headgate.events import Event, KeyRevoked
from headgate.stores import open_identity_store
from headgate.stores.identity import IdentityStore
from headgate.wire.request_fields import CredentialFields
from tests.support.gate import Gate as RunningGate
from tests.support.gate import bearer, create_key, running_gate
from tests.support.keys import make_key
from tests.support.processes import clean_environment
from tests.support.raw import request_head

PROMISE = 2.0  # seconds until every gate has followed


class Gate:
    """What a worker of the gate does about keys, with a way to wait for a response."""

    def __init__(self, store: IdentityStore, interval: float) -> None:
        self._keyring = Keyring()
        self._keys = KeyAuthenticator(self._keyring)
        self._chain = AuthenticatorChain([self._keys], time.time)
        self._changed = asyncio.Event()
        self.events: list[Event] = []
        self.refresher = Refresher(
            store,
            self._keyring,
            self._keys_changed,
            interval=interval,
            clock=time.time,
            emit=self.events.append,
            show=lambda _age, _expiring, _end: self._changed.set(),
        )

    def response(self, key: str) -> Identified | Refusal | Waiting:
        return self._chain.authenticate(CredentialFields(b"Bearer " + key.encode(), None))

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for ``condition`` to come true; looked at whenever answers may have changed."""
        async with asyncio.timeout(PROMISE):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def _keys_changed(self) -> None:
        self._keys.generation += 1
        self._changed.set()


@contextlib.asynccontextmanager
async def gate_on(data: Path) -> AsyncIterator[Gate]:
    """A gate with the default settings that follows the key store of ``data`` for the block."""
    config = Config(data=data)
    with open_identity_store(config) as store:
        gate = Gate(store, config.auth.refresh_interval)
        gate.refresher.load()
        async with asyncio.TaskGroup() as group:
            task = group.create_task(gate.refresher.run())
            yield gate
            task.cancel()


async def keys_command(data: Path, *arguments: str) -> str:
    """What ``headgate keys`` prints, run as a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "headgate", "keys", *arguments, "--data", str(data)),
        stdout=asyncio.subprocess.PIPE,
        env=clean_environment(),
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode().strip()


def test_a_running_gate_follows_another_process(tmp_path: Path) -> None:
    """From no key store at all to a key that works, and to the same key revoked."""

    async def scene() -> None:
        data = tmp_path / "data"
        async with gate_on(data) as gate:
            key = await keys_command(data, "create", "ci")
            await gate.until(lambda: isinstance(gate.response(key), Identified))
            other = await keys_command(data, "create", "other")
            await keys_command(data, "revoke", "ci")
            await gate.until(lambda: isinstance(gate.response(key), Refusal))
            refusal = gate.response(key)
            assert isinstance(refusal, Refusal)
            assert "was revoked" in refusal.message
            assert isinstance(gate.response(other), Identified)

            def revoked() -> list[str]:
                return [each.key for each in gate.events if isinstance(each, KeyRevoked)]

            await gate.until(lambda: bool(revoked()))
            assert revoked() == ["ci"]

    asyncio.run(scene())


NOWHERE = "http://127.0.0.1:9"
SECONDS = 20.0
API = "/api/2.0/mlflow/experiments/search"


def health(gate: RunningGate, key: str) -> dict[str, Any]:
    return dict(json.loads(gate.ask("GET", "/-/health", key=key).body)["keys"])


def test_a_row_that_cannot_be_read_ends_no_worker(tmp_path: Path) -> None:
    """It is skipped and named, in the log and to those who may see health; the others work on."""
    key = create_key(tmp_path / "data", "good")
    late = create_key(tmp_path / "data", "bad")
    with running_gate(tmp_path, NOWHERE, {"HEADGATE_LISTEN__WORKERS": "2"}) as gate:
        assert gate.ask("GET", API, key=late).status != 401
        assert health(gate, key)["active"] == 2
        with contextlib.closing(sqlite3.connect(tmp_path / "data" / "keys.sqlite")) as other:
            other.execute("PRAGMA ignore_check_constraints = ON")
            other.execute("UPDATE keys SET expires_at = 'tomorrow' WHERE name = 'bad'")
            other.commit()
        gate.process.wait_until(
            lambda: gate.ask("GET", API, key=late).status == 401 or None, "a 401", SECONDS
        )
        gate.process.wait_for_line("a key of the key store cannot be used, row 2", SECONDS)

        def named() -> dict[str, Any] | None:  # the other worker may take a moment more
            keys = health(gate, key)
            return keys if keys["unreadable"] else None

        keys = gate.process.wait_until(named, "the row in the health page", SECONDS)
        assert (keys["active"], keys["failing"]) == (1, None)
        assert "ended" not in gate.process.errors.read_text(encoding="utf-8")
    with running_gate(tmp_path, NOWHERE) as again:
        assert again.ask("GET", API, key=late).status == 401
        assert "expires_at is text" in health(again, key)["unreadable"][0]


def test_a_key_is_refused_from_its_end_on_a_connection_that_stays(tmp_path: Path) -> None:
    """To the instant: the next request after the end, whenever the gate looks at the store."""
    with running_gate(tmp_path, NOWHERE, {"HEADGATE_AUTH__REFRESH_INTERVAL": "1.5"}) as gate:
        end = int(time.time()) + 5
        key = make_key(tmp_path / "data", "short", ["admin"], expires_at=end)
        head = request_head("GET", "/-/metrics", bearer(key))
        gate.process.wait_until(
            lambda: gate.ask("GET", "/-/metrics", key=key).status == 200 or None, "a 200", SECONDS
        )
        with gate.connect() as client:
            client.send(head)
            assert client.response().status == 200
            gate.process.wait_until(lambda: time.time() >= end or None, "the end", SECONDS)
            client.send(head)
            refused = client.response()
    assert refused.status == 401
    assert b"'short'" in refused.body
    assert b"has expired" in refused.body


def test_a_running_gate_follows_a_backup_put_back_and_a_revocation_in_it(tmp_path: Path) -> None:
    """``cp backup keys.sqlite && headgate keys revoke ci``, as after a mistake."""
    data = tmp_path / "data"
    key, other = create_key(data, "ci"), create_key(data, "other")
    shutil.copy(data / "keys.sqlite", tmp_path / "backup.sqlite")
    create_key(data, "mistake")
    with running_gate(tmp_path, NOWHERE) as gate:
        assert health(gate, other)["active"] == 3
        (data / "keys.sqlite").write_bytes((tmp_path / "backup.sqlite").read_bytes())
        gate.revoke_key("ci")
        gate.process.wait_until(
            lambda: gate.ask("GET", API, key=key).status == 401 or None, "a 401", PROMISE
        )
        assert health(gate, other)["active"] == 1


def test_a_gate_does_not_start_with_a_store_that_all_may_write(tmp_path: Path) -> None:
    create_key(tmp_path / "data", "ci")
    (tmp_path / "data" / "keys.sqlite").chmod(0o666)
    environment = clean_environment() | {
        "HEADGATE_DATA": str(tmp_path / "data"),
        "HEADGATE_LISTEN__PORT": "0",
        "HEADGATE_OPS__LISTEN": "",
        "MLFLOW_SERVER_URL": NOWHERE,
    }
    for command in ("serve", "check"):
        done = subprocess.run(
            [sys.executable, "-m", "headgate", command],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert "every user of this machine can write the key store" in line


def test_in_a_folder_as_a_pod_has_it_keys_are_made_and_followed(tmp_path: Path) -> None:
    """An emptyDir is made with mode 0777."""
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o777)
    with running_gate(tmp_path, NOWHERE) as gate:
        key = gate.create_key("ci")
        gate.process.wait_until(
            lambda: gate.ask("GET", API, key=key).status != 401 or None, "a key", SECONDS
        )
    assert [each.name for each in data.iterdir()] == ["private"]
