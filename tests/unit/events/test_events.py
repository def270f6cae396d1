"""Events are a closed set of kinds, each with a name, a level and fields of its own."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import pytest

from headgate import events
from headgate.events import EVENTS, Event, InternalError, field_names
from headgate.events.event import NOT_LOGGED
from tests.support.events import EXAMPLES


def subclasses(kind: type[Event]) -> set[type[Event]]:
    found = {each for each in kind.__subclasses__() if not is_replaced(each)}
    return found.union(*map(subclasses, found))


def is_replaced(kind: type[Event]) -> bool:
    """Whether a dataclass with slots has been made of it since."""
    module = inspect.getmodule(kind)
    return getattr(module, kind.__name__, None) is not kind


def test_each_class_with_a_name_is_in_the_union() -> None:
    named = {kind for kind in subclasses(Event) if "name" in vars(kind)}
    assert named == set(EVENTS)
    assert len(EVENTS) == len(named)


def test_names_are_unique_and_plain() -> None:
    names = [kind.name for kind in EVENTS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in names)
    assert not {"request", "log"} & set(names)  # of the access log, and of libraries


def test_each_kind_is_exported() -> None:
    assert {kind.__name__ for kind in EVENTS} <= set(events.__all__)


def test_there_is_an_example_of_each_kind() -> None:
    assert [type(each) for each in EXAMPLES] == list(EVENTS)


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: event.name)
def test_an_event_is_one_line_for_a_person_and_plain_fields_for_programs(event: Event) -> None:
    assert event.message()
    assert "\n" not in event.message()
    found = event.fields()
    assert set(found) <= set(field_names(type(event)))
    assert not NOT_LOGGED & set(found)
    assert json.loads(json.dumps(found)) == found


def test_what_does_not_apply_is_left_out() -> None:
    (ended,) = (each for each in EXAMPLES if each.name == "worker_ended")
    assert ended.fields() == {"worker": 0, "worker_pid": 4711, "cause": "signal", "code": -9}


def test_only_defects_have_an_exception() -> None:
    assert [each.name for each in EXAMPLES if hasattr(each, "error")] == [InternalError.name]


def sources() -> dict[str, str]:
    """The sources of the gate outside the package of events and the doubles, by path."""
    root = Path(events.__file__).parents[1]
    others = {root / "events", root / "testing"}
    files = (file for file in root.rglob("*.py") if others.isdisjoint(file.parents))
    return {str(file.relative_to(root)): file.read_text(encoding="utf-8") for file in files}


def test_all_that_is_logged_is_an_event() -> None:
    logging = {name for name, text in sources().items() if "getLogger" in text}
    assert logging == {"telemetry/event_log.py"}


def test_each_kind_is_emitted_somewhere() -> None:
    text = "".join(sources().values())
    assert [kind for kind in EVENTS if not re.search(rf"\b{kind.__name__}\b", text)] == []
