"""Whether each of MLflow's APIs works, found out by using it.

A check is shared by all who ask while it runs, and its result by all who ask soon after: a
thousand health requests cause one.
"""

from __future__ import annotations

import asyncio
import enum
import json
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

FRESH_SECONDS = 2.0
"""How long a result is good for."""
PROBE_FOLDER = "headgate-health"
"""Where deep checks write; nothing of MLflow's lies there, for its folders are numbers."""


class Api(enum.StrEnum):
    """The APIs that are checked."""

    EXPERIMENTS = "experiments"
    MODELS = "models"
    ARTIFACTS = "artifacts"
    TRACES = "traces"


class Reply(Protocol):
    """What MLflow answered."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def body(self) -> bytes:
        """The whole body."""


class AskError(Exception):
    """MLflow gave no answer; the text is a clause for a person."""


Ask = Callable[[str, str, bytes], Awaitable[Reply]]
"""Sends a request (method, path and query, JSON body) to MLflow.  Raises ``AskError``."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """How one check ended; ``seconds`` is what it took, ``at`` when it ended (epoch)."""

    api: str
    ok: bool
    detail: str
    seconds: float
    at: float


class Checks:
    """Runs the checks of one upstream.

    ``clock`` gives seconds since the epoch.
    """

    def __init__(self, ask: Ask, clock: Callable[[], float] = time.time) -> None:
        self._ask = ask
        self._clock = clock
        self._results: dict[tuple[Api, bool], CheckResult] = {}
        self._running: dict[tuple[Api, bool], asyncio.Task[CheckResult]] = {}

    async def check(self, api: Api, *, deep: bool = False) -> CheckResult:
        """Check one API, or tell what a check has just found; ``deep``: write something too."""
        key = (api, deep)
        last = self._results.get(key)
        if last is not None and self._clock() - last.at < FRESH_SECONDS:
            return last
        running = self._running.get(key)
        if running is None:
            work = self._run(api, deep=deep)
            running = asyncio.get_running_loop().create_task(work, name=f"check {api}")
            self._running[key] = running
            running.add_done_callback(lambda _task: self._running.pop(key, None))
        # Whoever asked first may leave; the others still want the answer.
        return await asyncio.shield(running)

    async def all(self) -> list[CheckResult]:
        """Check every API."""
        return list(await asyncio.gather(*(self.check(api) for api in Api)))

    async def _run(self, api: Api, *, deep: bool) -> CheckResult:
        started = self._clock()
        try:
            detail = await (self._write_read_delete() if deep else self._read(api))
        except AskError as error:
            ok, detail = False, str(error)
        else:
            ok = True
        now = self._clock()
        result = CheckResult(api.value, ok, detail, now - started, now)
        self._results[api, deep] = result
        return result

    async def _read(self, api: Api) -> str:
        method, target, body = _READS[api]
        reply = await self._ask(method, target, body)
        _expect(reply, method, target)
        _parse(reply, method, target)
        return f"{method} {target.partition('?')[0]} answered {reply.status}"

    async def _write_read_delete(self) -> str:
        """An artifact's whole life, in a place of its own."""
        name = f"{PROBE_FOLDER}/{secrets.token_hex(8)}.txt"
        target = f"/api/2.0/mlflow-artifacts/artifacts/{name}"
        content = b"written by Headgate's health check\n"
        _expect(await self._ask("PUT", target, content), "PUT", target)
        try:
            reply = await self._ask("GET", target, b"")
            _expect(reply, "GET", target)
            if reply.body != content:
                raise AskError("an artifact came back other than it was written")
        finally:
            gone = await self._ask("DELETE", target, b"")
        _expect(gone, "DELETE", target)
        return "an artifact was written, read and deleted"


_READS: dict[Api, tuple[str, str, bytes]] = {
    Api.EXPERIMENTS: ("POST", "/api/2.0/mlflow/experiments/search", b'{"max_results": 1}'),
    Api.MODELS: ("GET", "/api/2.0/mlflow/registered-models/search?max_results=1", b""),
    Api.ARTIFACTS: (
        "GET",
        f"/api/2.0/mlflow-artifacts/artifacts?path={PROBE_FOLDER}",
        b"",
    ),
    Api.TRACES: (
        "POST",
        "/api/3.0/mlflow/traces/search",
        json.dumps(
            {
                "locations": [
                    {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}}
                ],
                "max_results": 1,
            }
        ).encode(),
    ),
}


def _expect(reply: Reply, method: str, target: str) -> None:
    if not 200 <= reply.status < 300:
        said = reply.body[:200].decode("utf-8", "replace").replace("\n", " ")
        raise AskError(f"{method} {target.partition('?')[0]} answered {reply.status}: {said}")


def _parse(reply: Reply, method: str, target: str) -> None:
    try:
        json.loads(reply.body)
    except ValueError:
        where = f"{method} {target.partition('?')[0]}"
        raise AskError(f"{where} answered something else than JSON: is that MLflow?") from None
