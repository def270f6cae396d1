"""Before anybody has shown a key: connections, heads and paths are bounded."""

from __future__ import annotations

import ipaddress
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.config import Limits
from headgate.dataplane import plane
from headgate.dataplane.admission import Admission
from headgate.dataplane.client import ClientConnection
from headgate.dataplane.cuts import Cuts
from headgate.dataplane.decisions import Refuse
from headgate.errors import Refusal
from headgate.events import ConnectionsTurnedAway, CutLimit, Emit, Event, TurnedAway, discard
from headgate.model import Phase
from headgate.reasons import Reason
from headgate.testing.decider import PRINCIPAL
from headgate.testing.dialogue import Dialogue
from headgate.testing.messages import Message, request
from headgate.testing.transport import End, Peer

ROOM = Limits(connections=10)


def admission(limit: int = 10, trusted: str = "", emit: Emit | None = None) -> Admission:
    made = Admission(discard if emit is None else emit, Cuts())
    made.configure(limit, [ipaddress.ip_network(trusted)] if trusted else [])
    return made


def taken(made: Admission, *addresses: str) -> list[str]:
    entered = [made.enter(each) for each in addresses]
    return [each for each in entered if isinstance(each, str)]


# --- how many ------------------------------------------------------------------------------------


def test_one_address_has_half_of_the_connections_at_most() -> None:
    made = admission()
    assert len(taken(made, *["192.0.2.1"] * 10)) == 5
    assert made.enter("192.0.2.1") is TurnedAway.STRANGERS
    assert len(taken(made, *["192.0.2.2"] * 10)) == 5
    assert made.enter("192.0.2.3") is TurnedAway.LIMIT


def test_a_good_key_makes_room_for_others_of_the_address() -> None:
    made = admission()
    first, *_ = taken(made, *["192.0.2.1"] * 5)
    made.vouch(first)
    assert made.enter("192.0.2.1") == "192.0.2.1"
    made.leave("")  # the one that was vouched for
    assert made.enter("192.0.2.1") is TurnedAway.STRANGERS
    made.leave("192.0.2.1")
    assert made.enter("192.0.2.1") == "192.0.2.1"


@pytest.mark.parametrize("address", ["10.0.0.7", "::ffff:10.0.0.7"])
def test_a_trusted_proxy_may_have_all(address: str) -> None:
    assert len(taken(admission(10, "10.0.0.0/8"), *[address] * 11)) == 10


@given(st.lists(st.tuples(st.sampled_from("evl"), st.sampled_from("abcd")), max_size=200))
def test_the_count_is_that_of_what_is_open(steps: list[tuple[str, str]]) -> None:
    """Whatever enters, is vouched for and leaves, in whatever order."""
    made = admission(8)
    strangers: list[str] = []
    known = 0
    for verb, address in steps:
        if verb == "e":
            before = strangers.count(address)
            entered = made.enter(address)
            fits = len(strangers) + known < 8 and before < 4
            assert isinstance(entered, str) is fits
            strangers += [address] if fits else []
        elif verb == "v" and address in strangers:
            made.vouch(address)
            strangers.remove(address)
            known += 1
        elif verb == "l" and address in strangers:
            made.leave(address)
            strangers.remove(address)
        elif verb == "l" and known:
            made.leave("")
            known -= 1
        assert made.total == len(strangers) + known


def test_there_is_one_event_a_second_with_a_count() -> None:
    events: list[Event] = []
    made = admission(2, emit=events.append)
    for _ in range(1000):
        made.enter("192.0.2.1")
    for now in (10.0, 10.4, 10.9):
        made.report(now)
        made.enter("192.0.2.1")
    made.report(11.0)
    assert events == [
        ConnectionsTurnedAway("192.0.2.1", TurnedAway.STRANGERS, 999),
        ConnectionsTurnedAway("192.0.2.1", TurnedAway.STRANGERS, 3),
    ]
    assert events[0].message().startswith("999 connections turned away, the last from 192.0.2.1: ")


# --- connections ---------------------------------------------------------------------------------


def test_a_client_that_is_turned_away_receives_the_reason() -> None:
    dialogue = Dialogue(ROOM)
    clients = [dialogue.client() for _ in range(6)]
    assert [client.end() for client in clients] == [End.OPEN] * 5 + [End.FINISHED]
    message = Message.of(clients[-1].received())
    assert b"429" in message.line
    assert b"limits.connections" in message.rest
    assert message.fields[b"x-headgate-reason"] == b"overloaded"
    clients[0].resets()
    assert dialogue.client().end() is End.OPEN
    assert dialogue.client().end() is End.FINISHED
    dialogue.ends()
    assert dialogue.plane.admission.total == 0


@pytest.mark.parametrize("path", ["/stream", "/forbidden", "/inspected"])
def test_a_connection_with_a_good_key_counts_no_longer(path: str) -> None:
    dialogue = Dialogue(ROOM)
    dialogue.decider.script[b"/forbidden"] = Refuse(
        Refusal(Reason.FORBIDDEN, "No."), Phase.AUTHORISE, PRINCIPAL
    )
    clients = [dialogue.client() for _ in range(5)]
    assert dialogue.client().end() is End.FINISHED
    for client in clients:
        client.sends(request(f"GET {path}"))
    more = [dialogue.client() for _ in range(6)]
    assert [client.end() for client in more] == [End.OPEN] * 5 + [End.FINISHED]
    dialogue.ends()
    assert dialogue.plane.admission.total == 0


@pytest.mark.parametrize("line", ["GET /refused", "GET /redirect", "NONSENSE"])
def test_what_shows_no_key_makes_no_room(line: str) -> None:
    dialogue = Dialogue(ROOM)
    clients = [dialogue.client() for _ in range(5)]
    clients[0].sends(request(line))
    if clients[0].end() is End.OPEN:
        assert dialogue.client().end() is End.FINISHED
    dialogue.ends()


def test_a_connection_over_the_limit_never_becomes_a_request() -> None:
    dialogue = Dialogue(Limits(connections=1))
    dialogue.client()
    late = dialogue.client()
    late.sends(request("GET /stream"))
    assert dialogue.decider.decided == []
    assert dialogue.outcome().phase is Phase.ACCEPT


# --- heads ---------------------------------------------------------------------------------------

BEGUN = b"GET /stream HTTP/1.1\r\nHost: gate\r\nX-Filler: "


@pytest.fixture
def crowded(monkeypatch: pytest.MonkeyPatch) -> Dialogue:
    monkeypatch.setattr(plane, "UNFINISHED_BYTES", 10_000)
    return Dialogue(Limits(connections=1000))


def begins(dialogue: Dialogue, size: int) -> Peer:
    client = dialogue.client()
    client.sends(BEGUN + b"x" * (size - len(BEGUN)))
    return client


@pytest.mark.patches
def test_the_oldest_unfinished_head_gives_way(crowded: Dialogue) -> None:
    clients = [begins(crowded, 4000) for _ in range(2)]
    assert crowded.plane.unfinished_bytes == 8000
    clients.append(begins(crowded, 4000))
    assert crowded.plane.unfinished_bytes == 8000
    told = Message.of(clients[0].received())
    assert b"429" in told.line
    assert told.fields[b"x-headgate-reason"] == b"overloaded"
    assert crowded.outcome().reason is Reason.OVERLOADED
    clients[1].sends(b"\r\n\r\n")
    assert crowded.plane.unfinished_bytes == 4000
    assert len(crowded.decider.decided) == 1
    clients[2].resets()
    assert crowded.plane.unfinished_bytes == 0
    crowded.ends()


@pytest.mark.patches
@pytest.mark.parametrize("reads", [[b"\r\n"], [b"\r", b"\n"]])
def test_a_client_that_sent_an_empty_line_is_not_given_up_for_others(
    reads: list[bytes], crowded: Dialogue
) -> None:
    idle = crowded.client()
    for read in reads:
        idle.sends(read)
    client = begins(crowded, 9_999)
    client.sends(b"x" * 2)
    assert b"429" in client.received()
    assert (idle.received(), idle.closed()) == (b"", False)
    crowded.outcome()
    crowded.ends()


@pytest.mark.patches
def test_one_head_alone_can_be_too_much(crowded: Dialogue) -> None:
    client = begins(crowded, 9_999)
    client.sends(b"x" * 2)
    assert b"429" in client.received()
    assert crowded.plane.unfinished_bytes == 0
    crowded.outcome()
    crowded.ends()


@pytest.mark.patches
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 3000)), max_size=60))
def test_what_is_counted_is_what_is_held(steps: list[tuple[int, int]]) -> None:
    before, plane.UNFINISHED_BYTES = plane.UNFINISHED_BYTES, 10_000  # type: ignore[misc]
    try:
        dialogue = Dialogue(Limits(connections=1000, head_bytes=1024))
        clients: dict[int, Peer] = {}
        for who, size in steps:
            if who not in clients or clients[who].end() is not End.OPEN:
                clients[who] = dialogue.client()
                clients[who].sends(BEGUN)
            clients[who].sends(b"x" * size if size % 7 else b"\r\n\r\n")
            connections = cast("dict[ClientConnection, None]", dialogue.plane.connections)
            held = sum(len(each._reader) for each in connections)
            assert dialogue.plane.unfinished_bytes == held <= 10_000
        dialogue.passes(60)
        dialogue.ends()
        assert dialogue.plane.unfinished_bytes == 0
    finally:
        plane.UNFINISHED_BYTES = before  # type: ignore[misc]


# --- what is counted -----------------------------------------------------------------------------


def test_connections_that_are_not_taken_are_counted_by_the_limit() -> None:
    cuts = Cuts()
    made = Admission(discard, cuts)
    made.configure(4, ())
    for _ in range(4):
        made.enter("192.0.2.1")
    assert dict(cuts.take()) == {CutLimit.STRANGERS: 2}
    for _ in range(3):
        made.enter("192.0.2.2")
    assert dict(cuts.take()) == {CutLimit.CONNECTIONS: 1}
    assert dict(cuts.take()) == {}
