"""What is due is done in the next turn that can be had."""

from __future__ import annotations

import pytest

from headgate.creates import SIZE
from headgate.creates.places import Places
from headgate.creates.turns import Turns
from tests.support.create_memory import ManualLock


def test_a_change_that_fails_keeps_none_of_the_others_from_being_made() -> None:
    lock, made = ManualLock(stuck=True), list[str]()
    turns = Turns(lock, Places(bytearray(SIZE)), 1)

    def fail() -> None:
        raise ValueError("a defect")

    turns.do(fail)
    turns.do(lambda: made.append("a"))
    turns.do(lambda: made.append("alone"), alone=True)
    assert made == ["alone"]
    lock.stuck = False
    with pytest.raises(ValueError, match="a defect"):
        turns.catch_up()
    assert not lock.held
    assert not turns.catch_up()
    assert made == ["alone", "a"]
