"""Checks whether each of MLflow's APIs works, by using it.

All health requests that come while a check runs, and soon after, share its result, in all workers
of the gate: a thousand health requests cause one check.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Callable, Iterable
from typing import Any

from headgate.contract.diagnosis import ARTIFACTS, AskError, expect, parse
from headgate.contract.use import PROBE_FOLDER, Ask, unserved, use
from headgate.control.shared_results import CheckResult, SharedResults
from headgate.model import Api
from headgate.reasons import Reason
from headgate.symptoms import ResponseFailure

FRESH_SECONDS = 2.0
"""How long a result is good for."""
PATIENCE_SECONDS = 30.0
"""How long another worker's check is waited for: longer than one takes, unless the worker hangs."""
LOOK_SECONDS = 0.05
SETTLE_SECONDS = 5.0
"""How long a worker that ends lets its checks take away what they wrote."""
LEFTOVER_SECONDS = 600.0
"""Seconds after which what a deep check wrote is no longer in use, whichever gate wrote it."""
_LIST = f"{ARTIFACTS}?path={PROBE_FOLDER}"
_LEFTOVER = re.compile(r"([0-9]{1,12})-[0-9a-f]{16}")


class Checks:
    """Runs the checks of one upstream.

    Args:
        ask: asks it.
        clock: gives seconds since the epoch.
        board: what the workers share their results in.
        name: what stands for the upstream there, as it is configured.
    """

    def __init__(
        self,
        ask: Ask,
        clock: Callable[[], float] = time.time,
        *,
        board: SharedResults | None = None,
        name: str = "",
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._board = board
        self._name = name
        self._results: dict[tuple[Api, bool], CheckResult] = {}
        self._running: dict[tuple[Api, bool], asyncio.Task[CheckResult]] = {}

    async def check(self, api: Api, *, deep: bool = False) -> CheckResult:
        """Check one API, or return what a check has just found; ``deep``: write an artifact too."""
        key = (api, deep)
        last = self._results.get(key)
        if last is not None and self._is_fresh(last):
            return last
        running = self._running.get(key)
        if running is None:
            work = self._find_out(api, deep=deep)
            running = asyncio.get_running_loop().create_task(work, name=f"check {api}")
            self._running[key] = running
            running.add_done_callback(lambda _task: self._running.pop(key, None))
        # The first request may be cancelled while others still wait for the response.
        return await asyncio.shield(running)

    async def all(self) -> list[CheckResult]:
        """Check every API."""
        return list(await asyncio.gather(*(self.check(api) for api in Api)))

    async def settle(self) -> None:
        """Let checks end that have begun, so that nothing stays of what they wrote."""
        if self._running:
            await asyncio.wait(tuple(self._running.values()), timeout=SETTLE_SECONDS)

    def _is_fresh(self, result: CheckResult) -> bool:
        return 0 <= self._clock() - result.at < FRESH_SECONDS  # a clock may be set back

    async def _find_out(self, api: Api, *, deep: bool) -> CheckResult:
        """Run the check, unless another worker does or has just done so."""
        board = self._board
        if board is None:
            result = await self._run(api, deep=deep)
        else:
            result = await self._share(board, api, deep=deep)
        self._results[api, deep] = result
        return result

    async def _share(self, board: SharedResults, api: Api, *, deep: bool) -> CheckResult:
        what = f"{self._name} {api} {deep}"
        clock = asyncio.get_running_loop().time
        too_long = clock() + PATIENCE_SECONDS
        while True:
            with board.claim(what) as is_mine:
                found = board.read(what)
                if found is not None and self._is_fresh(found):
                    return found
                if is_mine or clock() > too_long:
                    result = await self._run(api, deep=deep)
                    board.write(what, result)
                    return result
            await asyncio.sleep(LOOK_SECONDS)

    async def _run(self, api: Api, *, deep: bool) -> CheckResult:
        started = self._clock()
        reason, cure = Reason.OK, ""
        try:
            detail = await (self._write_read_delete() if deep else use(api, self._ask))
        except AskError as error:
            detail, symptom = str(error), error.symptom
            reason, cure = symptom.reason, symptom.cure
        now = self._clock()
        ok = reason is Reason.OK
        return CheckResult(api.value, ok, detail, now - started, now, reason, cure)

    async def _write_read_delete(self) -> str:
        """Write, read and delete an artifact in its own folder; a failure leaves nothing behind."""
        listed = await self._ask("GET", _LIST, b"")
        if left_out := unserved(listed):
            return left_out
        expect(listed, "GET", _LIST)
        await self._remove_leftovers(_names_in(parse(listed, "GET", _LIST)))
        folder = f"{PROBE_FOLDER}/{int(self._clock())}-{secrets.token_hex(8)}"
        target = f"{ARTIFACTS}/{folder}/probe.txt"
        content = b"written by Headgate's health check\n"
        try:
            # Without a response it may have been written, or be so in a moment.
            expect(await self._ask("PUT", target, content), "PUT", target)
            reply = await self._ask("GET", target, b"")
            expect(reply, "GET", target)
            if reply.body != content:
                raise AskError(
                    "an artifact came back other than it was written",
                    ResponseFailure.ARTIFACT_STORE,
                )
        except AskError as error:
            try:
                await self._remove(folder)
            except AskError as another:
                raise AskError(
                    f"{error}; {folder} is removed by a later check, if it is there ({another})",
                    error.symptom,
                ) from None
            raise
        await self._remove(folder)
        return "an artifact was written, read and deleted"

    async def _remove(self, folder: str) -> None:
        target = f"{ARTIFACTS}/{folder}"
        expect(await self._ask("DELETE", target, b""), "DELETE", target)

    async def _remove_leftovers(self, names: Iterable[str]) -> None:
        """Remove what earlier checks could not, also those of gates that were killed."""
        for name in names:
            made = _LEFTOVER.fullmatch(name)
            if made is not None and self._clock() - int(made[1]) > LEFTOVER_SECONDS:
                await self._remove(f"{PROBE_FOLDER}/{name}")


def _names_in(listed: dict[str, Any]) -> list[str]:
    files = listed.get("files")
    found = [file for file in files if isinstance(file, dict)] if isinstance(files, list) else []
    return [str(file.get("path")).rpartition("/")[2] for file in found]
