"""When a gate counts as about to stop."""

from __future__ import annotations

import os

from headgate.runtime.gate_state import GateState


def test_one_worker_that_stops_does_not_stop_the_gate() -> None:
    state = GateState(2)
    state.set_draining(0, draining=True)
    assert not state.is_draining()
    state.set_draining(1, draining=True)
    assert state.is_draining()
    state.set_draining(0, draining=False)  # it is replaced
    assert not state.is_draining()


def test_the_only_worker_stops_it() -> None:
    state = GateState(1)
    state.set_draining(0, draining=True)
    assert state.is_draining()


def test_the_stop_of_the_gate_counts_before_any_worker_knows() -> None:
    state = GateState(3)
    state.stop()
    assert state.is_draining()


def test_other_processes_see_it_immediately() -> None:
    state = GateState(2)
    child = os.fork()
    if not child:
        state.stop()
        os._exit(0)
    os.waitpid(child, 0)
    assert state.is_draining()
