"""The bus hands each event to each sink, and no sink that fails ends what emits."""

from __future__ import annotations

from headgate.events import Drained, Event, EventBus, InternalError


class Sink:
    """Takes events, unless it is broken."""

    def __init__(self) -> None:
        self.broken = False
        self.taken: list[Event] = []

    def __call__(self, event: Event) -> None:
        if self.broken:
            raise OSError("no")
        self.taken.append(event)


def test_each_sink_has_each_event_in_order() -> None:
    bus, one, other = EventBus(), Sink(), Sink()
    bus.subscribe("one", one)
    bus.emit(Drained())
    bus.subscribe("other", other)
    event = Drained()
    bus.emit(event)
    assert len(one.taken) == 2
    assert other.taken == [event]


def test_a_sink_that_fails_is_reported_to_the_others_once_until_it_works_again() -> None:
    bus, one, other = EventBus(), Sink(), Sink()
    bus.subscribe("one", one)
    bus.subscribe("other", other)
    one.broken = True
    bus.emit(Drained())
    bus.emit(Drained())
    report, first, second = other.taken
    assert isinstance(report, InternalError)
    assert report.activity == "handing events to the one"
    assert isinstance(report.error, OSError)
    assert [first, second] == [Drained(), Drained()]
    one.broken = False
    bus.emit(Drained())
    one.broken = True
    bus.emit(Drained())
    assert [type(event) for event in other.taken].count(InternalError) == 2


def test_where_all_sinks_fail_emitting_does_not() -> None:
    bus, one, other = EventBus(), Sink(), Sink()
    one.broken = other.broken = True
    bus.subscribe("one", one)
    bus.subscribe("other", other)
    bus.emit(Drained())
    one.broken = other.broken = False
    bus.emit(Drained())
    assert other.taken == [Drained()]
