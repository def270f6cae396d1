"""Keys made and revoked by ``headgate keys`` reach a gate that is running in another process."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from headgate.auth import Authenticator, Keyring, Refresher
from headgate.config import Config
from headgate.errors import HeadgateError, Refusal
from headgate.model import Principal
from headgate.stores import KeyStore
from tests.support.processes import clean_environment

PROMISE = 2.0  # seconds until every gate has followed


class Gate:
    """What a worker of the gate does about keys, with a way to wait for an answer."""

    def __init__(self, store: KeyStore, interval: float) -> None:
        self._authenticator = Authenticator()
        self._changed = asyncio.Event()
        self.refresher = Refresher(
            store, self._install, interval=interval, clock=time.time, report=self._fail
        )

    def answer(self, key: str) -> Principal | Refusal:
        return self._authenticator.authenticate(b"Bearer " + key.encode(), None, time.time())

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for ``condition`` to come true; looked at whenever answers may have changed."""
        async with asyncio.timeout(PROMISE):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def _install(self, keyring: Keyring) -> None:
        self._authenticator.install(keyring)
        self._changed.set()

    def _fail(self, error: HeadgateError | None) -> None:
        raise AssertionError(error)


@contextlib.asynccontextmanager
async def gate_on(data: Path) -> AsyncIterator[Gate]:
    """A gate with the default settings that follows the key store of ``data`` for the block."""
    config = Config(data=data)
    with KeyStore(config.key_database) as store:
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
            await gate.until(lambda: isinstance(gate.answer(key), Principal))
            other = await keys_command(data, "create", "other")
            await keys_command(data, "revoke", "ci")
            await gate.until(lambda: isinstance(gate.answer(key), Refusal))
            refusal = gate.answer(key)
            assert isinstance(refusal, Refusal)
            assert "was revoked" in refusal.message
            assert isinstance(gate.answer(other), Principal)

    asyncio.run(scene())
