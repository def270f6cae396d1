"""Steps run in order, failures are reported once, and what was created is always removed."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from headgate_verify.environment import Credentials
from headgate_verify.events import Events
from headgate_verify.recorder import Recorder
from headgate_verify.runner import Plan, Runner, Step
from headgate_verify.subject import Subject, expect

Action = Callable[[Subject], str]


def passing(_subject: Subject) -> str:
    return "seen"


def failing(_subject: Subject) -> str:
    raise RuntimeError("went\nwrong")


def interrupted(_subject: Subject) -> str:
    raise KeyboardInterrupt


def making(subject: Subject) -> str:
    subject.made["thing"] = "thing-1"
    return "made"


def making_and_failing(subject: Subject) -> str:
    making(subject)
    return failing(subject)


class World:
    """A plan run against a server that answers or not."""

    def __init__(self, tmp_path: Path) -> None:
        self.subject = Subject(
            url="http://gate.example",
            suffix="x",
            folder=tmp_path,
            size=1,
            credentials=Credentials("key", "bearer", "ann"),
            client=cast(Any, None),
        )
        self.serves = True
        self.probes = 0
        self._stream = io.StringIO()
        self.emitter = Events(self._stream, [])

    def run(self, *checks: Step, removals: tuple[Step, ...] = (), keep: bool = False) -> bool:
        plan = Plan(checks, removals, self._answers)
        return Runner(plan, self.subject, Recorder(), self.emitter).run(keep=keep)

    def _answers(self, _subject: Subject) -> bool:
        self.probes += 1
        return self.serves

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._stream.getvalue().splitlines()]

    @property
    def story(self) -> list[str]:
        """The ends of the steps in short: ``passed a``, ``skipped b: why``."""
        return [
            f"{event['event']} {event['step']}" + (f": {event['why']}" if "why" in event else "")
            for event in self.events
            if event["event"] in ("passed", "failed", "skipped")
        ]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


REMOVE = Step("remove", passing, removes="thing")


def test_all_steps_pass(world: World) -> None:
    assert world.run(Step("make", making), Step("b", passing, ("make",)), removals=(REMOVE,))
    assert world.story == ["passed make", "passed b", "passed remove"]
    summary = world.events[-1]
    assert (summary["passed"], summary["failed"], summary["skipped"]) == (3, 0, 0)
    assert summary["leftovers"] == []


def test_a_step_is_announced_before_it_runs(world: World) -> None:
    world.run(Step("a", passing))
    assert world.events[0] == {"event": "started", "step": "a"}
    assert world.events[1]["detail"] == "seen"


def test_a_dependent_step_is_skipped_and_does_not_fail(world: World) -> None:
    passed = world.run(
        Step("a", failing),
        Step("b", passing, ("a",)),
        Step("c", passing, ("b",)),
        Step("d", passing),
    )
    assert not passed
    assert world.story == ["failed a", "skipped b: needs a", "skipped c: needs b", "passed d"]


def test_whatever_a_step_raises_is_a_finding(world: World) -> None:
    world.run(Step("a", failing))
    failure = world.events[1]["failure"]
    assert failure["message"] == "RuntimeError: went wrong"
    assert failure["cause"]
    assert failure["action"]


def test_a_mismatch_is_told_apart(world: World) -> None:
    def check(_subject: Subject) -> str:
        expect("params", {}, {"a": "1"})
        return ""

    world.run(Step("a", check))
    assert world.events[1]["failure"]["message"] == "params: read back {}, expected {'a': '1'}"


def test_what_was_made_is_removed_after_a_failure(world: World) -> None:
    """Also what the failed step itself may have made."""
    world.run(Step("a", making_and_failing), removals=(REMOVE,))
    assert world.story == ["failed a", "passed remove"]
    assert world.events[-1]["leftovers"] == []


def test_what_was_not_made_is_not_removed(world: World) -> None:
    world.run(Step("a", failing), removals=(REMOVE,))
    assert world.story == ["failed a", "skipped remove: nothing was created"]


def test_what_could_not_be_removed_is_reported(world: World) -> None:
    passed = world.run(Step("a", making), removals=(Step("remove", failing, removes="thing"),))
    assert not passed
    assert world.events[-1]["leftovers"] == ["thing thing-1"]


def test_kept_things_are_listed_and_nothing_is_removed(world: World) -> None:
    assert world.run(Step("a", making), removals=(REMOVE,), keep=True)
    assert world.story == ["passed a"]
    assert world.events[-1]["leftovers"] == ["thing thing-1"]


def test_a_server_that_is_lost_ends_the_checks(world: World) -> None:
    """Twenty more failures would say nothing new, and each would take seconds."""

    def lose(subject: Subject) -> str:
        world.serves = False
        return failing(subject)

    world.run(Step("a", making), Step("b", lose), Step("c", passing), removals=(REMOVE,))
    assert world.story == [
        "passed a",
        "failed b",
        "skipped c: the server stopped serving",
        "skipped remove: the server stopped serving",
    ]
    assert world.events[-1]["leftovers"] == ["thing thing-1"]


def test_a_server_that_comes_back_is_cleaned(world: World) -> None:
    answers = iter([False, True])
    plan = Plan(
        (Step("a", making), Step("b", failing), Step("c", passing)),
        (REMOVE,),
        lambda _subject: next(answers),
    )
    Runner(plan, world.subject, Recorder(), world.emitter).run(keep=False)
    assert world.story[-2:] == ["skipped c: the server stopped serving", "passed remove"]


def test_a_server_that_never_served_is_not_asked_again(world: World) -> None:
    world.run(Step("a", failing), Step("b", passing, ("a",)))
    assert world.probes == 0


def test_an_interrupt_ends_the_checks_and_not_the_removal(world: World) -> None:
    world.run(Step("a", making), Step("b", interrupted), Step("c", passing), removals=(REMOVE,))
    assert world.story == ["passed a", "failed b", "skipped c: interrupted", "passed remove"]


def test_a_reader_that_left_ends_the_checks_and_not_the_removal(world: World) -> None:
    removed = []

    def remove(_subject: Subject) -> str:
        removed.append("thing")
        return ""

    def lose_reader(subject: Subject) -> str:
        world.emitter.abandoned = True
        return making(subject)

    passed = world.run(
        Step("a", lose_reader), Step("b", failing), removals=(Step("r", remove, removes="thing"),)
    )
    assert not passed
    assert removed == ["thing"]
