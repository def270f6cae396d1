"""Client connections change their stage by the table, and every row of the table can happen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from headgate.config import Limits
from headgate.dataplane.client import ClientConnection
from headgate.dataplane.client_proxied import ProxyHeaderConnection
from headgate.dataplane.connection_states import (
    BODY,
    BROKEN,
    CLOSED,
    CLOSING,
    DISCARDING,
    HEAD,
    IDLE,
    LINGERING,
    NEW,
    PROXY_HEADER,
    RESPONDING,
    STAGES,
    TRANSITIONS,
    Expiry,
    Stage,
)
from headgate.testing.dialogue import Dialogue
from headgate.testing.messages import request, response

CHUNKED = "Transfer-Encoding: chunked"
LARGE = b"x" * 500_000
GET = request("GET /stream")
LAST = request("GET /stream", "Connection: close")
REFUSED = request("GET /refused")
HALF = request("PUT /stream", "Content-Length: 6") + b"abc"
COLLECTED = request("POST /length", CHUNKED, body=b"3\r\n")
Story = Callable[[Dialogue], None]


def after(*before: bytes) -> Callable[..., Story]:
    """A client sends those, and then what the story is about."""

    def begun(*then: bytes) -> Story:
        def story(dialogue: Dialogue) -> None:
            client = dialogue.client()
            for read in (*before, *then):
                client.sends(read)

        return story

    return begun


def drained_after(*reads: bytes) -> Story:
    """The worker stops once those have come."""

    def story(dialogue: Dialogue) -> None:
        after()(*reads)(dialogue)
        dialogue.drains()

    return story


def half_closed_after(*reads: bytes) -> Story:
    """The client ends what it sends before MLflow responds."""

    def story(dialogue: Dialogue) -> None:
        client = dialogue.client()
        client.sends(b"".join(reads))
        mlflow = dialogue.mlflow_accepts()
        client.finishes()
        mlflow.sends(response(200, body=b"done"))

    return story


def lost_after(*reads: bytes) -> Story:
    """The connection breaks once those have come."""

    def story(dialogue: Dialogue) -> None:
        client = dialogue.client()
        for read in reads:
            client.sends(read)
        client.resets()

    return story


def one_too_many(dialogue: Dialogue) -> None:
    """All connections but this one are taken."""
    for _ in range(dialogue.limits.connections):
        dialogue.client()


def header_comes(dialogue: Dialogue) -> None:
    """A proxy says whose connection it is."""
    dialogue.proxy().sends(b"PROXY TCP4 198.51.100.7 ", b"192.0.2.80 40000 8080\r\n")


def header_breaks_off(dialogue: Dialogue) -> None:
    proxy = dialogue.proxy()
    proxy.sends(b"PROXY TCP4 198.51.100.7 ")
    proxy.resets()


def head_too_late(dialogue: Dialogue) -> None:
    after()(b"GET")(dialogue)
    dialogue.passes(31)


def last_with_more_behind(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(LAST)
    client.sends(GET)
    dialogue.mlflow_accepts().sends(response(200))


def last_is_read_slowly(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(LAST)
    client.stops_reading()
    dialogue.mlflow_accepts().sends(response(200, body=LARGE))
    client.reads(480_000)


def broken_while_responding(dialogue: Dialogue) -> None:
    """The response has begun, so there is nothing to refuse with."""
    client = dialogue.client()
    client.sends(request("PUT /stream", CHUNKED, body=b"3\r\nabc\r\n"))
    dialogue.mlflow_accepts().sends(response(200, "Content-Length: 6", body=b"abc"))
    client.sends(b"no chunk\r\n")


first, second = after(), after(REFUSED)
STORIES: dict[tuple[Stage, Stage], Story] = {
    (PROXY_HEADER, NEW): header_comes,
    (PROXY_HEADER, CLOSED): header_breaks_off,
    (NEW, HEAD): first(b"GET"),
    (NEW, BODY): first(HALF),
    (NEW, RESPONDING): first(GET),
    (NEW, BROKEN): first(b"no request\r\n\r\n"),
    (NEW, LINGERING): drained_after(),
    (NEW, CLOSING): one_too_many,
    (NEW, CLOSED): lost_after(),
    (IDLE, HEAD): second(b"GET"),
    (IDLE, BODY): second(HALF),
    (IDLE, RESPONDING): second(GET),
    (IDLE, BROKEN): second(b"no request\r\n\r\n"),
    (IDLE, LINGERING): drained_after(REFUSED),
    (IDLE, CLOSING): half_closed_after(GET),
    (IDLE, CLOSED): lost_after(REFUSED),
    (HEAD, BODY): first(b"PUT", HALF[3:]),
    (HEAD, RESPONDING): first(b"GET", GET[3:]),
    (HEAD, BROKEN): head_too_late,
    (HEAD, CLOSING): half_closed_after(GET, b"GET"),
    (HEAD, CLOSED): lost_after(b"GET"),
    (BODY, RESPONDING): first(COLLECTED, b"abc\r\n0\r\n\r\n"),
    (BODY, DISCARDING): first(request("POST /refused", "Content-Length: 6") + b"abc"),
    (BODY, BROKEN): first(COLLECTED, b"abc\r\nno size\r\n"),
    (BODY, LINGERING): first(request("POST /refused", "Content-Length: 1000000")),
    (BODY, CLOSED): lost_after(HALF),
    (RESPONDING, IDLE): first(REFUSED),
    (RESPONDING, BROKEN): first(request("GET /defect")),
    (RESPONDING, LINGERING): last_with_more_behind,
    (RESPONDING, CLOSING): first(request("GET /refused", "Connection: close")),
    (RESPONDING, CLOSED): lost_after(GET),
    (DISCARDING, IDLE): first(request("POST /refused", "Content-Length: 3"), b"abc"),
    (DISCARDING, LINGERING): drained_after(request("POST /refused", "Content-Length: 3")),
    (DISCARDING, CLOSED): lost_after(request("POST /refused", "Content-Length: 3")),
    (BROKEN, LINGERING): first(b"no request\r\n\r\n"),
    (BROKEN, CLOSED): broken_while_responding,
    (LINGERING, CLOSING): half_closed_after(GET, b"no request\r\n\r\n"),
    (LINGERING, CLOSED): lost_after(b"no request\r\n\r\n"),
    (CLOSING, LINGERING): last_is_read_slowly,
    (CLOSING, CLOSED): first(request("GET /refused", "Connection: close")),
}


def noting(
    changes: set[tuple[Stage, Stage]], enter: Callable[[Any, Stage], None]
) -> Callable[[Any, Stage], None]:
    def noted(connection: Any, stage: Stage) -> None:
        changes.add((connection.stage, stage))
        enter(connection, stage)

    return noted


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[tuple[Stage, Stage]]]:
    """The changes of stage so far."""
    changes: set[tuple[Stage, Stage]] = set()
    for kind in (ClientConnection, ProxyHeaderConnection):
        monkeypatch.setattr(kind, "_enter", noting(changes, kind._enter))
    yield changes
    assert changes <= {(each.before, each.after) for each in TRANSITIONS}


@pytest.mark.patches
@pytest.mark.parametrize(
    "change", STORIES, ids=[f"{before.name} to {then.name}" for before, then in STORIES]
)
def test_each_row_of_the_table_can_happen(
    change: tuple[Stage, Stage], taken: set[tuple[Stage, Stage]]
) -> None:
    dialogue = Dialogue(Limits(connections=3))
    STORIES[change](dialogue)
    dialogue.ends()

    assert change in taken


def test_each_row_of_the_table_has_its_story() -> None:
    assert [(each.before, each.after) for each in TRANSITIONS if each.after is not CLOSED] == [
        change for change in STORIES if change[1] is not CLOSED
    ]
    assert {(each.before, each.after) for each in TRANSITIONS} == set(STORIES)


def test_stages_are_numbered_by_their_place() -> None:
    assert [stage.number for stage in STAGES] == list(range(len(STAGES)))


@pytest.mark.parametrize("stage", STAGES, ids=repr)
def test_a_stage_has_a_wait_or_nothing_follows_it(stage: Stage) -> None:
    limits = Limits(header_timeout=1, keepalive_timeout=2, body_timeout=3)
    bounded = stage.wait(limits) < float("inf")

    assert bounded == (stage.expiry is not Expiry.NOTHING)
