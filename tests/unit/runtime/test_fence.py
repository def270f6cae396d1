"""A gate that the store does not hear of holds requests, and later changes nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest

from headgate.events import Event, FenceLifted, FenceRaised
from headgate.maintenance import Directive, Park
from headgate.runtime.fence import Fence
from headgate.testing.clock import ManualClock

SECONDS = 120.0
NOW = 1_800_000_000.0


@dataclass
class Scene:
    """A fence, and what it has done."""

    clock: ManualClock = field(default_factory=ManualClock)
    events: list[Event] = field(default_factory=list)
    cuts: int = 0

    def __post_init__(self) -> None:
        self.fence = Fence(SECONDS, self.clock, lambda: NOW, self.cut, self.events.append)

    def cut(self) -> None:
        self.cuts += 1


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_while_the_store_hears_of_the_gate_nothing_is_held(scene: Scene) -> None:
    heard = scene.clock()
    assert scene.fence.look(heard) is None
    scene.clock.advance(SECONDS)
    assert scene.fence.look(heard) is None
    assert scene.events == []


def test_after_its_time_it_holds_and_after_twice_that_it_cuts(scene: Scene) -> None:
    heard = scene.clock()
    scene.clock.advance(SECONDS + 0.5)
    held = scene.fence.look(heard)
    assert held is not None
    assert (scene.events, scene.cuts) == ([FenceRaised(SECONDS)], 0)
    scene.clock.advance(SECONDS)
    assert scene.fence.look(heard) is held  # the same park: it is no other one at each look
    assert scene.cuts == 1
    assert len(scene.events) == 1
    assert scene.fence.look(scene.clock()) is None
    assert scene.events[1:] == [FenceLifted()]


def test_a_gate_of_which_no_store_ever_heard_holds_from_its_start(scene: Scene) -> None:
    assert scene.fence.look(-math.inf) is not None


def test_what_is_held_is_a_lease_that_never_ends(scene: Scene) -> None:
    held = scene.fence.look(-math.inf)
    assert held is not None
    directive = held.held(Directive("default", 7, asked=7))
    assert (directive.revision, directive.asked) == (7, 7)
    assert directive.park is not None
    assert directive.park.lease
    assert directive.park.ends_at > NOW + 1e9
    assert directive.park.admits == ""


def test_a_park_that_ends_meanwhile_lets_nobody_through(scene: Scene) -> None:
    """But whom it admits, it admits still."""
    held = scene.fence.look(-math.inf)
    assert held is not None
    park = Park("0123456789abcdef", "alice", "", NOW, NOW + 60, admits="k_00000001")
    found = held.held(Directive("default", 7, park)).park
    assert found is not None
    assert (found.ends_at > NOW + 1e9, found.admits) == (True, "k_00000001")
