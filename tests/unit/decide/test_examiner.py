"""The process that reads large bodies says what the loop would, and its failures are refusals."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from headgate.config import Shields
from headgate.contract import table
from headgate.decide import examiner as room
from headgate.decide.examination import Finding, examine
from headgate.decide.examiner import Examiner
from headgate.model import Operation
from headgate.reasons import Reason
from headgate.shields import Shield
from headgate.telemetry.event_log import log_event

PATHS = {
    "runs/log-batch": (b"POST", b"/api/2.0/mlflow/runs/log-batch"),
    "experiments/create": (b"POST", b"/api/2.0/mlflow/experiments/create"),
    "traces/start": (b"POST", b"/api/3.0/mlflow/traces"),
    "webhooks/create": (b"POST", b"/api/2.0/mlflow/webhooks"),
    "graphql": (b"POST", b"/graphql"),
}
JSON = {b"content-type": b"application/json", b"authorization": b"Bearer secret"}
OPERATIONS = {row.operation.name: row.operation for row in table().rows}


@asynccontextmanager
async def examiner() -> AsyncIterator[Examiner]:
    made = Examiner(log_event)
    try:
        yield made
    finally:
        made.close()
        await asyncio.sleep(0)


async def ask(by: Examiner, name: str, body: bytes, shields: Shields | None = None) -> Finding:
    operation = table().classify(*PATHS[name])
    assert operation is not None
    return await by.examine(
        *PATHS[name], operation, "3.17.2", operation.objects, shields or Shields(), JSON, body
    )


def run(test: Callable[[Examiner], Awaitable[None]]) -> None:
    async def within() -> None:
        async with examiner() as made:
            await test(made)

    asyncio.run(within())


def process_of(made: Examiner) -> int:
    process = made._process
    assert process is not None
    return process._process.pid


BODIES = [
    ("runs/log-batch", json.dumps({"run_id": "1", "metrics": [{"model_id": "m-1"}]}).encode()),
    ("runs/log-batch", b'{"run_id":1,"run_id":2}'),
    ("runs/log-batch", b'{"run_id":[]}'),
    ("runs/log-batch", b"[1]"),
    ("runs/log-batch", b"\xff"),
    ("experiments/create", json.dumps({"name": "é\ud800"}).encode()),
    ("experiments/create", json.dumps({"name": "x", "artifact_location": "s3://b"}).encode()),
    ("webhooks/create", json.dumps({"url": "http://10.0.0.1/"}).encode()),
    ("graphql", json.dumps({"query": "{" * 90}).encode()),
]


def test_it_says_what_the_loop_would() -> None:
    async def test(made: Examiner) -> None:
        for name, body in BODIES:
            operation: Operation = OPERATIONS[name]
            wanted = examine(
                operation,
                "3.17.2",
                PATHS[name][1],
                operation.objects,
                Shield(Shields()),
                JSON,
                body,
            )
            assert await ask(made, name, body) == wanted, body
        lenient = Shields(disabled=("stored-location",))
        assert (await ask(made, *BODIES[6], lenient)).refusal is None

    run(test)


def test_many_values_are_refused_before_they_are_parsed() -> None:
    async def test(made: Examiner) -> None:
        body = b'{"metrics":[' + b"[]," * 5_000_000 + b"[]]}"
        refusal = (await ask(made, "traces/start", body)).refusal
        assert refusal is not None
        assert refusal.reason is Reason.BODY_TOO_LARGE
        assert "200,000 JSON values" in refusal.message

    run(test)


def test_a_process_that_dies_refuses_one_request_alone(caplog: pytest.LogCaptureFixture) -> None:
    async def test(made: Examiner) -> None:
        assert (await ask(made, *BODIES[0])).refusal is None
        os.kill(process_of(made), signal.SIGKILL)
        refusal = (await ask(made, *BODIES[0])).refusal
        assert refusal is not None
        assert refusal.reason is Reason.BODY_TOO_LARGE
        assert (await ask(made, *BODIES[0])).refusal is None

    run(test)
    assert "has failed" in caplog.text


def test_a_process_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(made: Examiner) -> None:
        assert (await ask(made, *BODIES[0])).refusal is None
        hanging = process_of(made)
        os.kill(hanging, signal.SIGSTOP)
        monkeypatch.setattr(room, "MOST_SECONDS", 0.2)
        assert (await ask(made, *BODIES[0])).refusal is not None
        await gone(hanging)
        monkeypatch.undo()
        assert (await ask(made, *BODIES[0])).refusal is None

    run(test)


async def gone(pid: int) -> None:
    """Wait until a process is no more."""
    async with asyncio.timeout(20):
        while os.path.exists(f"/proc/{pid}"):  # noqa: ASYNC110, ASYNC240
            await asyncio.sleep(0.01)


def test_a_client_that_leaves_takes_the_process_along() -> None:
    async def test(made: Examiner) -> None:
        assert (await ask(made, *BODIES[0])).refusal is None
        left = process_of(made)
        os.kill(left, signal.SIGSTOP)
        asking = asyncio.ensure_future(ask(made, *BODIES[0]))
        await asyncio.sleep(0.05)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await gone(left)
        assert (await ask(made, *BODIES[0])).refusal is None

    run(test)


def test_no_more_than_so_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(made: Examiner) -> None:
        monkeypatch.setattr(room, "MOST_WAITING", 3)
        found = await asyncio.gather(*(ask(made, *BODIES[0]) for _ in range(5)))
        refused = [each.refusal for each in found if each.refusal is not None]
        assert [(each.reason, each.retry_after is not None) for each in refused] == [
            (Reason.OVERLOADED, True)
        ] * 2

    run(test)


def test_it_ends_when_it_has_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(made: Examiner) -> None:
        monkeypatch.setattr(room, "IDLE_SECONDS", 0.1)
        assert (await ask(made, *BODIES[0])).refusal is None
        await gone(process_of(made))
        assert (await ask(made, *BODIES[0])).refusal is None

    run(test)


def test_it_knows_no_secret_and_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADGATE_SECRET", "canary")

    async def test(made: Examiner) -> None:
        assert (await ask(made, *BODIES[0])).refusal is None
        folder = Path(f"/proc/{process_of(made)}")
        assert b"canary" not in (folder / "environ").read_bytes()
        limits = (folder / "limits").read_text()
        assert "Max address space         1073741824" in limits
        assert (folder / "oom_score_adj").read_text().strip() == "1000"

    run(test)
