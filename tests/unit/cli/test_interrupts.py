"""Where signals stop a command that changes a service, and where they do not."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from headgate.cli import interrupts
from headgate.cli.interrupts import Interrupts

STOPPING = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture(autouse=True)
def each_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two signals of a test are not one."""
    monkeypatch.setattr(interrupts, "_SAME", 0.0)


@pytest.fixture(autouse=True)
def hears_hang_ups() -> Iterator[None]:
    """Also where the tests were started with ``nohup``, which a command obeys."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def sent(number: signal.Signals) -> bool:
    """Whether a signal interrupts."""
    try:
        os.kill(os.getpid(), number)
    except KeyboardInterrupt:
        return True
    return False


@pytest.mark.parametrize("number", [*STOPPING, signal.SIGHUP])
def test_until_something_is_begun_every_signal_stops(number: signal.Signals) -> None:
    found = Interrupts()
    with found.listening():
        assert sent(number)


@pytest.mark.parametrize("number", STOPPING)
def test_then_it_stops_where_that_is_allowed(number: signal.Signals) -> None:
    found = Interrupts()
    with found.listening(), found.shield():
        assert not sent(number)
        with found.allow():
            assert sent(number)
        assert not sent(number)


def test_a_closed_terminal_stops_nothing_that_was_begun() -> None:
    found = Interrupts()
    with found.listening(), found.shield(), found.allow():
        assert not sent(signal.SIGHUP)


def test_signals_within_a_second_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "_SAME", 60.0)
    found = Interrupts()
    with found.listening():
        assert sent(signal.SIGINT)
        assert not sent(signal.SIGINT)


def test_what_was_ignored_stays_ignored() -> None:
    """As ``nohup`` has it; and in the end the handlers are as they were."""
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts().listening():
            assert not sent(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, former)
