"""Several processes kept alive: replaced, stopped together, and never worse than none."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator

import pytest

from headgate.errors import HeadgateError
from headgate.events import discard
from headgate.runtime import replacements, supervisor
from headgate.runtime.link import Link
from headgate.runtime.processes import WorkerBody
from headgate.runtime.signals import HANDLED
from headgate.runtime.supervisor import Supervisor
from headgate.telemetry.counters import Counters
from headgate.telemetry.metrics import WORKER_RESTARTS
from tests.support.forked import WAIT, Orders, Reports, Supervised, Tally


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reports]:
    monkeypatch.setattr(replacements, "PAUSES", (0.0,))
    made = Reports()
    yield made
    made.close()


Supervise = Callable[..., Supervised]


@pytest.fixture
def supervise(reports: Reports) -> Iterator[Supervise]:
    """Starts a supervisor; none outlives the test."""
    with contextlib.ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(
            contextlib.closing(Supervised(reports, *arguments))
        )


def serving(reports: Reports) -> WorkerBody:
    """A worker that tells when it serves and when it has stopped."""

    def body(link: Link) -> None:
        orders = Orders()
        reports.say("serves", link.number, os.getpid())
        link.ready()
        orders.await_stop(link.lifeline)
        reports.say("stopped", link.number)

    return body


def started(reports: Reports, count: int) -> dict[int, int]:
    """Wait until all workers serve; their process ids by number."""
    said = [reports.next() for _ in range(count + 1)]
    assert said[-1] == ["announced"]
    return {number: pid for _, number, pid in said[:-1]}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_all_start_are_announced_once_and_stop_together(
    number: signal.Signals, reports: Reports, supervise: Supervise
) -> None:
    supervised = supervise(3, serving(reports))
    assert set(started(reports, 3)) == {0, 1, 2}
    supervised.kill(number)
    assert reports.several(3) == [["stopped", 0], ["stopped", 1], ["stopped", 2]]
    assert supervised.exit_code() == 0


def test_a_worker_that_is_killed_is_replaced_under_its_number(
    reports: Reports, supervise: Supervise
) -> None:
    supervised = supervise(2, serving(reports))
    pids = started(reports, 2)
    os.kill(pids[1], signal.SIGKILL)
    assert reports.next() == ["prepare", 1]
    serves, number, pid = reports.next()
    assert (serves, number) == ("serves", 1)
    assert pid not in pids.values()
    supervised.kill(signal.SIGTERM)
    assert reports.several(2) == [["stopped", 0], ["stopped", 1]]
    assert supervised.exit_code() == 0


@pytest.mark.parametrize("end", ["return", "raise", "exit", "close"])
def test_a_worker_that_ends_by_itself_is_replaced(
    end: str, reports: Reports, supervise: Supervise
) -> None:
    """However it ends, nothing of its parent's work is done a second time."""
    starts, announced = Tally(), os.pipe()

    def body(link: Link) -> None:
        orders = Orders()
        reports.say("serves", link.number, os.getpid())
        link.ready()
        if link.number == 1 and starts.add() == 1:
            os.read(announced[0], 1)
            if end == "raise":
                raise RuntimeError("a defect")
            if end == "exit":
                sys.exit(3)
            if end == "close":  # what is flushed at the end then fails
                os.close(1)
                sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
                sys.stdout.write("lost")
            return
        orders.await_stop(link.lifeline)

    supervised = supervise(2, body)
    started(reports, 2)
    os.write(announced[1], b"!")
    assert reports.next() == ["prepare", 1]
    assert reports.next()[:2] == ["serves", 1]
    supervised.kill(signal.SIGTERM)
    assert supervised.exit_code() == 0
    for each in announced:
        os.close(each)


def test_one_that_cannot_start_ends_all_with_its_own_message(
    reports: Reports, supervise: Supervise
) -> None:
    def body(link: Link) -> None:
        orders = Orders()
        if link.number == 1:
            raise HeadgateError("the key store is damaged")
        link.ready()
        orders.await_stop(link.lifeline)

    supervised = supervise(2, body)
    assert reports.next() == ["failed", "the key store is damaged"]
    assert supervised.exit_code() == 2


def test_one_that_dies_before_it_serves_ends_all(reports: Reports, supervise: Supervise) -> None:
    def body(link: Link) -> None:
        orders = Orders()
        if link.number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        orders.await_stop(link.lifeline)

    supervised = supervise(2, body)
    assert reports.next() == ["failed", "a worker could not start; the log says why"]
    assert supervised.exit_code() == 2


@pytest.mark.parametrize("count", [1, 2])
def test_one_that_cannot_be_replaced_is_tried_again_and_again(
    count: int, reports: Reports, supervise: Supervise
) -> None:
    """The others are left alone, and the gate does not end when there is no other."""
    starts, failures, last = Tally(), 8, count - 1

    def body(link: Link) -> None:
        orders = Orders()
        if link.number == last and 1 < starts.add() < failures + 2:
            raise HeadgateError("certificate.pem is damaged")
        reports.say("serves", link.number, os.getpid())
        link.ready()
        orders.await_stop(link.lifeline)
        reports.say("stopped", link.number)

    supervised = supervise(count, body)
    pids = started(reports, count)
    os.kill(pids[last], signal.SIGKILL)
    for _ in range(failures + 1):
        assert reports.next() == ["prepare", last]
    assert reports.next()[:2] == ["serves", last]
    supervised.kill(signal.SIGTERM)
    assert reports.several(count) == [["stopped", each] for each in range(count)]
    assert supervised.exit_code() == 0
    restarts = {
        each.labels[0]: each.cells[0]
        for each in supervised.counters.totals().series(WORKER_RESTARTS)
    }
    assert restarts == {"stuck": 0, "signal": 1, "exit": failures}


def test_ctrl_c_reaches_each_worker_once(reports: Reports, supervise: Supervise) -> None:
    """A second signal would mean: do not wait for the requests under way."""

    def body(link: Link) -> None:
        heard, tell = os.pipe()
        signal.signal(signal.SIGINT, lambda *_: os.write(tell, b"i"))
        signal.signal(signal.SIGTERM, lambda *_: os.write(tell, b"t"))
        reports.say("serves", link.number, os.getpid())
        link.ready()
        found = b""
        while not found.endswith(b"t"):
            found += os.read(heard, 10)
            if found == b"i":
                reports.say("heard", link.number)
        reports.say("all", found.decode())

    supervised = supervise(2, body)
    started(reports, 2)
    supervised.kill_group(signal.SIGINT)
    assert reports.several(2) == [["heard", 0], ["heard", 1]]
    supervised.kill(signal.SIGTERM)
    assert reports.several(2) == [["all", "it"], ["all", "it"]]
    assert supervised.exit_code() == 0


def test_a_reload_is_passed_on_and_stops_nobody(reports: Reports, supervise: Supervise) -> None:
    def body(link: Link) -> None:
        orders = Orders()
        signal.signal(signal.SIGHUP, lambda *_: reports.say("reloads", link.number))
        reports.say("serves", link.number, os.getpid())
        link.ready()
        orders.await_stop(link.lifeline)

    supervised = supervise(2, body)
    started(reports, 2)
    supervised.kill(signal.SIGHUP)
    assert reports.several(2) == [["reloads", 0], ["reloads", 1]]
    supervised.kill(signal.SIGTERM)
    assert supervised.exit_code() == 0


def test_a_reload_does_not_harm_a_worker_that_only_starts(
    reports: Reports, supervise: Supervise
) -> None:
    """SIGHUP ends a process that has not said what to do on it."""
    go = os.pipe()

    def body(link: Link) -> None:
        orders = Orders()
        reports.say("starts", link.number)
        os.read(go[0], 1)
        link.ready()
        orders.await_stop(link.lifeline)

    supervised = supervise(2, body)
    reports.several(2)
    supervised.kill(signal.SIGHUP)
    select.select([], [], [], 0.1)
    os.write(go[1], b"12")
    assert reports.next() == ["announced"]
    supervised.kill(signal.SIGTERM)
    assert supervised.exit_code() == 0
    for each in go:
        os.close(each)


def test_a_stop_before_all_serve_is_obeyed(reports: Reports, supervise: Supervise) -> None:
    def body(link: Link) -> None:
        orders = Orders()
        reports.say("starts", link.number)
        orders.await_stop(link.lifeline)

    supervised = supervise(2, body)
    reports.several(2)
    supervised.kill(signal.SIGTERM)
    assert supervised.exit_code() == 0


@pytest.mark.parametrize("patience", [0.2, 3600.0])
def test_workers_that_do_not_stop_are_killed(
    patience: float, reports: Reports, supervise: Supervise, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the end, or soon after a second signal."""
    monkeypatch.setattr(supervisor, "CUT_SHORT_SECONDS", 0.2)

    def body(link: Link) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_IGN)
        reports.say("serves", link.number, os.getpid())
        link.ready()
        select.select([], [], [])

    supervised = supervise(2, body, patience)
    started(reports, 2)
    supervised.kill(signal.SIGTERM)
    if patience > WAIT:
        supervised.kill(signal.SIGINT)
    assert supervised.exit_code() == 0


def test_workers_learn_when_the_supervisor_is_gone(reports: Reports, supervise: Supervise) -> None:
    supervised = supervise(2, serving(reports))
    started(reports, 2)
    supervised.kill(signal.SIGKILL)
    assert supervised.exit_code() == -signal.SIGKILL
    assert reports.several(2) == [["stopped", 0], ["stopped", 1]]


def test_a_message_is_cut_to_what_a_pipe_takes(reports: Reports, supervise: Supervise) -> None:
    def body(link: Link) -> None:
        raise HeadgateError("é" * 100_000)

    supervised = supervise(1, body)
    failed, message = reports.next()
    assert failed == "failed"
    assert message.startswith("ééé")
    assert supervised.exit_code() == 2


def test_nothing_is_left_open() -> None:
    """Also when it fails."""

    def body(link: Link) -> None:
        raise HeadgateError("cannot start")

    before = {number: signal.getsignal(number) for number in HANDLED}
    files = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(HeadgateError, match=r"^cannot start$"):
            Supervisor(2, body, lambda _number: None, WAIT, Counters(2), discard).run(lambda: None)
    assert len(os.listdir("/proc/self/fd")) == files
    assert {number: signal.getsignal(number) for number in HANDLED} == before
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()
