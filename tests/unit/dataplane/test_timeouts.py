"""How long the gate waits, and what it does then."""

from __future__ import annotations

import pytest

from headgate.config import Limits, Upstream
from headgate.dataplane.connection_states import LINGER_SECONDS
from headgate.events import CutLimit
from headgate.model import Phase
from headgate.reasons import Reason
from headgate.testing.dialogue import Dialogue
from headgate.testing.messages import Message, request, response
from headgate.testing.transport import End, Peer

LARGE = b"x" * 300_000  # more than what may wait for a client
PART = b"x" * 10_000  # enough of a body to be served on


@pytest.fixture
def download(dialogue: Dialogue) -> tuple[Peer, Peer]:
    """A client that has stopped to read its response, of which a part is still missing."""
    client = dialogue.client()
    client.stops_reading()
    client.sends(request("GET /stream"))
    mlflow = dialogue.mlflow_accepts()
    mlflow.sends(response(200, "Content-Length: 400000"), LARGE)
    return client, mlflow


def test_a_connection_that_says_nothing_is_closed(dialogue: Dialogue) -> None:
    client = dialogue.client()
    dialogue.passes(dialogue.limits.header_timeout - 1)
    assert client.end() is End.OPEN
    dialogue.passes(2)

    assert (client.closed(), client.received()) == (True, b"")
    assert dialogue.outcomes() == []


def test_a_head_that_does_not_come_to_its_end_is_answered_408(dialogue: Dialogue) -> None:
    """Trickling does not help: the time counts from the first byte of the head."""
    client = dialogue.client()
    for byte in b"GET /a HTTP/1.1\r\nHost: a\r\n":
        client.sends(bytes([byte]))
        dialogue.passes(2)
    refused = Message.of(client.received())

    assert refused.line == b"HTTP/1.1 408 Request Timeout"
    assert refused.fields[b"connection"] == b"close"
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.phase) == (Reason.REQUEST_MALFORMED, Phase.PARSE)
    dialogue.passes(6)
    assert client.closed()


def test_the_head_of_a_later_request_has_its_own_time(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("GET /refused") + b"GET /ref")
    dialogue.passes(dialogue.limits.header_timeout - 1)
    client.sends(b"used HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.received().count(b"401 Unauthorized") == 2
    client.sends(b"GET /ref")
    dialogue.passes(dialogue.limits.header_timeout + 1)
    assert client.received().startswith(b"HTTP/1.1 408 ")


def test_a_kept_connection_may_rest_for_a_while(dialogue: Dialogue) -> None:
    client = dialogue.client()
    for _ in range(3):
        client.sends(request("GET /refused"))
        dialogue.passes(dialogue.limits.keepalive_timeout - 1)
        assert client.end() is End.OPEN
    dialogue.passes(2)
    assert client.closed()


@pytest.mark.parametrize("size", [300_000, 30_000_000])
def test_a_connection_rests_no_longer_because_its_response_was_large(
    size: int, dialogue: Dialogue
) -> None:
    """The waits for a slow reader and for its next request do not disturb each other."""
    client = dialogue.client()
    client.stops_reading()
    client.sends(request("GET /stream"))
    mlflow = dialogue.mlflow_accepts()
    mlflow.sends(response(200, f"Content-Length: {size}"))
    sent = 0
    while sent < size:
        mlflow.sends(b"x" * 300_000)
        sent += 300_000
        client.reads()
        client.stops_reading()
    client.reads()
    dialogue.outcome()
    dialogue.passes(dialogue.limits.keepalive_timeout - 1)
    assert client.end() is End.OPEN
    dialogue.passes(2)
    assert client.closed()


def test_a_body_that_stops_coming_is_given_up() -> None:
    dialogue = Dialogue(Limits(min_body_rate=0))
    client = dialogue.client()
    client.sends(request("PUT /stream", "Content-Length: 100000"))
    mlflow = dialogue.mlflow_accepts()
    for _ in range(4):
        dialogue.passes(dialogue.limits.body_timeout - 1)
        client.sends(PART)
    dialogue.passes(dialogue.limits.body_timeout * 2)

    assert client.received().startswith(b"HTTP/1.1 408 ")
    assert mlflow.end() is End.CUT
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.status) == (Reason.REQUEST_MALFORMED, 408)
    assert outcome.bytes_in == 4 * len(PART)


def test_a_body_that_trickles_is_given_up(dialogue: Dialogue) -> None:
    """Else a few bytes a minute would hold a connection for days."""
    client = dialogue.client()
    client.sends(request("PUT /stream", "Content-Length: 100000"))
    dialogue.mlflow_accepts()
    for _ in range(int(dialogue.limits.body_timeout) + 1):
        client.sends(b"x" * 100)
        dialogue.passes(1)
    assert client.received().startswith(b"HTTP/1.1 408 ")
    assert dialogue.outcome().reason is Reason.REQUEST_MALFORMED


def test_a_client_that_reads_slowly_must_still_send(dialogue: Dialogue) -> None:
    """Its response began before its body was complete."""
    client = dialogue.client()
    client.stops_reading()
    client.sends(request("PUT /stream", "Content-Length: 100000"))
    mlflow = dialogue.mlflow_accepts()
    mlflow.sends(response(200, "Content-Length: 300001"), LARGE)
    client.reads()
    dialogue.passes(dialogue.limits.body_timeout + 1)
    assert (client.end(), mlflow.end()) == (End.CUT, End.CUT)
    assert dialogue.outcome().reason is Reason.REQUEST_MALFORMED


def test_a_client_that_reads_slowly_need_not_send_what_mlflow_does_not_take(
    dialogue: Dialogue,
) -> None:
    client = dialogue.client()
    client.stops_reading()
    client.sends(request("PUT /stream", "Content-Length: 900000"))
    mlflow = dialogue.mlflow_accepts()
    mlflow.stops_reading()
    client.sends(LARGE)
    assert not client.is_read()
    mlflow.sends(response(200, "Content-Length: 300001"), LARGE)
    client.reads()
    dialogue.passes(dialogue.limits.body_timeout * 3)
    assert client.end() is End.OPEN
    mlflow.sends(b"x")
    assert dialogue.outcome().reason is Reason.OK


def test_a_body_is_not_missed_while_nothing_can_take_it(dialogue: Dialogue) -> None:
    """Neither while MLflow is being connected to, nor while it takes the body slowly."""
    client = dialogue.client()
    client.sends(request("PUT /stream", "Content-Length: 900000"))
    dialogue.passes(dialogue.limits.body_timeout * 2)
    mlflow = dialogue.mlflow_accepts()
    mlflow.stops_reading()
    client.sends(b"x" * 600_000)
    assert not client.is_read()
    dialogue.passes(dialogue.limits.body_timeout * 2)
    mlflow.reads()
    assert client.is_read()
    assert client.end() is End.OPEN
    dialogue.passes(dialogue.limits.body_timeout + 1)
    assert dialogue.outcome().status == 408


def test_the_rest_of_a_refused_body_is_not_waited_for_long(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("POST /refused", "Content-Length: 100", body=b"some"))
    assert client.received().startswith(b"HTTP/1.1 401 ")
    dialogue.passes(dialogue.limits.body_timeout + 1)
    assert client.closed()
    dialogue.outcome()


def test_a_slow_reader_that_moves_is_served(
    dialogue: Dialogue, download: tuple[Peer, Peer]
) -> None:
    """A little progress will do; and what came after it was slow is no standstill."""
    client, mlflow = download
    for _ in range(20):
        dialogue.passes(dialogue.limits.body_timeout - 1)
        client.reads(8_000)
    assert client.end() is End.OPEN
    client.reads()
    mlflow.sends(b"x" * 100_000)
    assert client.received().endswith(b"x" * 400_000)
    assert dialogue.outcome().reason is Reason.OK


def test_a_reader_that_does_not_move_is_cut_off(
    dialogue: Dialogue, download: tuple[Peer, Peer]
) -> None:
    client, mlflow = download
    dialogue.passes(dialogue.limits.body_timeout * 2 + 3)

    assert client.end() is End.CUT
    assert mlflow.end() is End.CUT
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.status) == (Reason.CLIENT_GONE, 200)


def test_a_reader_that_hardly_moves_is_cut_off(
    dialogue: Dialogue, download: tuple[Peer, Peer]
) -> None:
    """A byte now and then would hold a response, and MLflow's connection, for days."""
    client, _ = download
    for _ in range(3):
        dialogue.passes(dialogue.limits.body_timeout - 1)
        client.reads(2_000)

    assert client.end() is End.CUT
    assert dialogue.outcome().reason is Reason.CLIENT_GONE


@pytest.mark.parametrize("fields", [(), ("Connection: close",)])
@pytest.mark.parametrize("size", [200_000, 300_000])
def test_a_whole_response_that_nobody_reads_does_not_hold_its_connection_indefinitely(
    size: int, fields: tuple[str, ...], dialogue: Dialogue
) -> None:
    client = dialogue.client()
    client.stops_reading()
    client.sends(request("GET /stream", *fields))
    dialogue.mlflow_accepts().sends(response(200, body=b"x" * size))
    assert dialogue.outcome().reason is Reason.OK
    dialogue.passes(dialogue.limits.keepalive_timeout + dialogue.limits.body_timeout + 3)

    assert client.end() is End.CUT
    assert not dialogue.plane.connections


@pytest.mark.parametrize("fields", [(), ("Connection: close",)])
@pytest.mark.parametrize("size", [200_000, 300_000])
def test_a_whole_response_is_delivered_however_long_it_takes(
    size: int, fields: tuple[str, ...], dialogue: Dialogue
) -> None:
    """The wait for the next request begins when the response has been taken."""
    client = dialogue.client()
    client.stops_reading()
    client.sends(request("GET /stream", *fields))
    dialogue.mlflow_accepts().sends(response(200, body=b"x" * size))
    for _ in range(10):
        dialogue.passes(dialogue.limits.body_timeout - 1)
        client.reads(20_000)
    client.reads()
    assert len(Message.of(client.received()).rest) == size


def test_mlflow_may_take_long_but_not_indefinitely() -> None:
    dialogue = Dialogue(settings=Upstream(silence_timeout=100))
    client = dialogue.client()
    client.sends(request("GET /stream"))
    mlflow = dialogue.mlflow_accepts()
    dialogue.passes(99)
    assert client.received() == b""
    dialogue.passes(2)

    assert client.received().startswith(b"HTTP/1.1 504 ")
    assert mlflow.end() is End.CUT
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.phase) == (Reason.UPSTREAM_TIMEOUT, Phase.FORWARD)
    assert client.end() is End.OPEN
    dialogue.ends()


def test_every_piece_of_a_response_gives_mlflow_new_time() -> None:
    dialogue = Dialogue(settings=Upstream(silence_timeout=100))
    client = dialogue.client()
    client.sends(request("GET /stream"))
    mlflow = dialogue.mlflow_accepts()
    mlflow.sends(response(200, "Transfer-Encoding: chunked"))
    for _ in range(5):
        dialogue.passes(99)
        mlflow.sends(b"1\r\nx\r\n")
        assert client.end() is End.OPEN
    dialogue.passes(101)

    assert client.end() is End.CUT
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.status) == (Reason.UPSTREAM_TIMEOUT, 200)
    dialogue.ends()


def test_every_piece_of_a_body_gives_mlflow_new_time() -> None:
    dialogue = Dialogue(Limits(min_body_rate=0), Upstream(silence_timeout=50))
    client = dialogue.client()
    client.sends(request("PUT /stream", f"Content-Length: {9 * len(PART)}"))
    mlflow = dialogue.mlflow_accepts()
    for _ in range(9):
        dialogue.passes(40)
        client.sends(PART)
    dialogue.passes(40)
    mlflow.sends(response(200))
    assert dialogue.outcome().reason is Reason.OK
    dialogue.ends()


def test_mlflow_has_new_time_when_it_takes_a_body_again() -> None:
    dialogue = Dialogue(settings=Upstream(silence_timeout=50))
    client = dialogue.client()
    client.sends(request("PUT /stream", f"Content-Length: {len(LARGE)}"))
    mlflow = dialogue.mlflow_accepts()
    mlflow.stops_reading()
    client.sends(LARGE)
    dialogue.passes(40)
    mlflow.reads()
    dialogue.passes(40)
    mlflow.sends(response(200))
    assert dialogue.outcome().reason is Reason.OK
    dialogue.ends()


def test_mlflow_is_not_blamed_for_a_slow_client() -> None:
    """While the gate itself takes nothing from MLflow, its silence means nothing."""
    dialogue = Dialogue(settings=Upstream(silence_timeout=100))
    client = dialogue.client()
    client.stops_reading()
    client.sends(request("GET /stream"))
    mlflow = dialogue.mlflow_accepts()
    mlflow.sends(response(200, "Content-Length: 300001"), LARGE)
    for _ in range(10):
        dialogue.passes(50)
        client.reads(10_000)
    client.reads()
    assert dialogue.outcomes() == []
    dialogue.passes(90)
    assert client.end() is End.OPEN
    dialogue.passes(20)
    assert dialogue.outcome().reason is Reason.UPSTREAM_TIMEOUT
    dialogue.ends()


def test_a_closing_connection_is_read_only_for_a_few_seconds(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("POST /refused", "Content-Length: 1000000"))
    assert client.end() is End.FINISHED
    assert not client.closed()
    for _ in range(4):
        client.sends(b"x" * 1000)
        dialogue.passes(1)
    assert not client.closed()
    dialogue.passes(2)
    assert client.closed()


def test_a_closing_connection_that_was_not_read_lingers_no_longer(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("PUT /stream", "Content-Length: 1000000"))
    dialogue.mlflow_refuses()
    assert client.received().startswith(b"HTTP/1.1 503 ")
    assert client.is_read()
    dialogue.passes(6)
    assert client.closed()


def test_a_closing_connection_whose_response_is_read_late_lingers_no_longer(
    dialogue: Dialogue,
) -> None:
    client = dialogue.client()
    client.stops_reading()
    client.sends(request("PUT /stream", "Content-Length: 1000000"))
    dialogue.mlflow_accepts().sends(response(400, body=LARGE))
    assert not client.closed()
    dialogue.passes(10)
    client.reads()
    assert client.end() is End.FINISHED
    assert not client.closed()
    dialogue.passes(6)
    assert client.closed()


def test_limits_are_the_operators() -> None:
    dialogue = Dialogue(Limits(keepalive_timeout=5))
    client = dialogue.client()
    client.sends(request("GET /refused"))
    dialogue.passes(6)
    assert client.closed()
    dialogue.ends()


# --- what is counted -----------------------------------------------------------------------------


def cut(dialogue: Dialogue) -> dict[CutLimit, int]:
    return dict(dialogue.plane.cuts.take())


def test_each_limit_counts_the_connections_that_it_ends(dialogue: Dialogue) -> None:
    limits = dialogue.limits
    dialogue.client()
    dialogue.passes(limits.header_timeout + 1)
    assert cut(dialogue) == {CutLimit.HEADER_TIMEOUT: 1}

    dialogue.client().sends(b"GET / HTTP")
    dialogue.passes(limits.header_timeout + 1)
    dialogue.passes(LINGER_SECONDS + 1)
    assert cut(dialogue) == {CutLimit.HEADER_TIMEOUT: 1}

    dialogue.client().sends(request("GET /refused"))
    dialogue.passes(limits.keepalive_timeout + 1)
    assert cut(dialogue) == {CutLimit.KEEPALIVE_TIMEOUT: 1}

    dialogue.client().sends(request("PUT /refused", "Content-Length: 9"))
    dialogue.passes(limits.body_timeout + 1)
    assert cut(dialogue) == {CutLimit.BODY_TIMEOUT: 1}

    dialogue.client().sends(request("PUT /stream", "Content-Length: 9"))
    dialogue.mlflow_accepts()
    dialogue.passes(limits.body_timeout + 1)
    assert cut(dialogue) == {CutLimit.BODY_TIMEOUT: 1}


def test_a_slow_reader_is_counted(dialogue: Dialogue, download: tuple[Peer, Peer]) -> None:
    for _ in range(3):
        dialogue.passes(dialogue.limits.body_timeout + 1)
    assert cut(dialogue) == {CutLimit.SLOW_READER: 1}


def test_a_client_that_leaves_is_not_counted(dialogue: Dialogue) -> None:
    dialogue.client().resets()
    client = dialogue.client()
    client.sends(request("GET /refused"))
    client.finishes()
    assert cut(dialogue) == {}
