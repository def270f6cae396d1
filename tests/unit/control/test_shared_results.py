"""What workers share of checks: one checks, the others read, and none waits indefinitely."""

from __future__ import annotations

import asyncio
import shutil
import stat
from pathlib import Path
from typing import NamedTuple

import pytest

from headgate.contract.diagnosis import AskError
from headgate.control import checks as module
from headgate.control.checks import Checks
from headgate.control.shared_results import CheckResult, SharedResults
from headgate.model import Api
from headgate.reasons import Reason
from headgate.symptoms import ExchangeFailure

RESULT = CheckResult("models", False, "said „no“", 0.5, 100.0, Reason.UPSTREAM_TIMEOUT, "wait")


class Said(NamedTuple):
    """What MLflow answers."""

    status: int
    body: bytes


class MLflow:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def ask(self, _method: str, _target: str, _body: bytes) -> Said:
        self.asked += 1
        await asyncio.sleep(0)
        if self.asked > 1:
            raise AskError("asked again", ExchangeFailure.RESET)
        return Said(200, b"{}")


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    board = SharedResults(tmp_path)
    assert board.read("one") is None
    board.write("one", RESULT)
    assert SharedResults(tmp_path).read("one") == RESULT
    assert board.read("another") is None


def test_one_at_a_time_may_check(tmp_path: Path) -> None:
    one, other = SharedResults(tmp_path), SharedResults(tmp_path)
    with one.claim("a") as first, other.claim("a") as second, other.claim("b") as different:
        assert (first, second, different) == (True, False, True)
    with other.claim("a") as again:
        assert again


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"reason": "odd"}', b"\xff"])
def test_what_is_no_result_counts_as_none(content: bytes, tmp_path: Path) -> None:
    board = SharedResults(tmp_path)
    board.write("one", RESULT)
    (file,) = tmp_path.glob("*.json")
    file.write_bytes(content)
    assert board.read("one") is None


def test_a_folder_that_is_gone_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    board = SharedResults(folder)
    board.write("one", RESULT)
    assert SharedResults(folder).read("one") == RESULT
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    shutil.rmtree(folder)
    with board.claim("one") as first, SharedResults(folder).claim("one") as second:
        assert (first, second) == (True, False)


@pytest.mark.parametrize("kind", ["link", "file", "open", "nowhere"])
def test_without_a_folder_of_its_own_everybody_may_check(kind: str, tmp_path: Path) -> None:
    """Another user may put something in the place of a folder that is gone."""
    folder, bait = tmp_path / "gone", tmp_path / "bait"
    bait.mkdir(mode=0o700)
    if kind == "link":
        folder.symlink_to(bait)
    elif kind == "file":
        folder.touch(mode=0o700)
    elif kind == "open":
        folder.mkdir()
        folder.chmod(0o777)
    else:
        folder = folder / "deeper"
    board = SharedResults(folder)
    board.write("one", RESULT)
    assert board.read("one") is None
    with board.claim("one") as first, board.claim("one") as second:
        assert (first, second) == (True, True)
    assert list(bait.iterdir()) == []


def worker(mlflow: MLflow, folder: Path, now: float, name: str = "default") -> Checks:
    return Checks(mlflow.ask, lambda: now, board=SharedResults(folder), name=name)


def test_workers_that_check_at_the_same_time_ask_once(tmp_path: Path) -> None:
    mlflow = MLflow()

    async def story() -> list[CheckResult]:
        workers = [worker(mlflow, tmp_path, 100.0) for _ in range(5)]
        return list(await asyncio.gather(*(each.check(Api.MODELS) for each in workers)))

    assert len(set(asyncio.run(story()))) == 1
    assert mlflow.asked == 1


@pytest.mark.parametrize(
    ("now", "name", "asked"),
    [(101.9, "default", 1), (102.0, "default", 2), (99.0, "default", 2), (100.0, "changed", 2)],
)
def test_how_long_and_for_whom_a_result_counts(
    now: float, name: str, asked: int, tmp_path: Path
) -> None:
    """Not after two seconds, nor from a future that a clock had before it was set back."""
    mlflow = MLflow()

    async def story() -> None:
        await worker(mlflow, tmp_path, 100.0).check(Api.MODELS)
        await worker(mlflow, tmp_path, now, name).check(Api.MODELS)

    asyncio.run(story())
    assert mlflow.asked == asked


@pytest.mark.patches
def test_no_worker_waits_indefinitely_for_one_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.001)
    mlflow = MLflow()

    async def story() -> CheckResult:
        with SharedResults(tmp_path).claim(f"default {Api.MODELS} False") as mine:
            assert mine
            return await worker(mlflow, tmp_path, 100.0).check(Api.MODELS)

    assert asyncio.run(story()).ok
