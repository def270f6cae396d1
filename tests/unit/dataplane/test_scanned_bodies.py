"""Bodies that are looked at while they pass: MLflow never has the whole of one that is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.dataplane.decisions import Decision, Forward
from headgate.errors import Refusal
from headgate.model import Operation, Phase
from headgate.reasons import Reason
from headgate.testing.decider import LENGTH, PRINCIPAL, STREAM
from headgate.testing.dialogue import Dialogue
from headgate.testing.messages import Message, request, response
from headgate.wire.request import Request

BAD = b"!"
REFUSAL = Refusal(Reason.FORBIDDEN, "Not this.", detail="bad")
LAST = b"0\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked"


class Scan:
    """Finds a ``!``, looking at ``STEP`` bytes in a step."""

    STEP = 8

    def __init__(self) -> None:
        self.refusal: Refusal | None = None
        self.waiting = b""
        self.done = False
        self.steps = 0

    def take(self, pieces: list[bytes], *, done: bool) -> None:
        self.waiting += b"".join(pieces)
        self.done = done

    def step(self) -> bool:
        self.steps += 1
        if BAD in self.waiting[: self.STEP]:
            self.refusal = REFUSAL
            return True
        self.waiting = self.waiting[self.STEP :]
        return not self.waiting


def scanning(dialogue: Dialogue, scan: Scan, operation: Operation = STREAM) -> None:
    def decide(request: Request) -> Decision:
        forward = Forward(dialogue.decider.route(operation, request.target), b"", PRINCIPAL)
        forward.scan = scan
        return forward

    dialogue.decider.script[b"/scanned"] = decide


def test_a_good_body_passes_as_it_comes(dialogue: Dialogue) -> None:
    scanning(dialogue, Scan())
    client = dialogue.client()
    client.sends(request("POST /scanned", "Content-Length: 6"), b"abc")
    mlflow = dialogue.mlflow_accepts()
    got = Message.of(mlflow.received())
    assert (got.fields[b"content-length"], got.rest) == (b"6", b"abc")
    client.sends(b"def")
    assert mlflow.received() == b"def"
    mlflow.sends(response(200))
    assert dialogue.outcome().bytes_in == 6
    client.sends(request("GET /stream"))
    assert client.received()


def test_a_bad_body_that_is_here_whole_opens_no_connection(dialogue: Dialogue) -> None:
    scanning(dialogue, Scan())
    client = dialogue.client()
    client.sends(request("POST /scanned", "Content-Length: 4") + b"abc!")
    assert not dialogue.pending
    assert b"Not this." in client.received()
    outcome = dialogue.outcome()
    assert (outcome.reason, outcome.phase, outcome.status) == (
        Reason.FORBIDDEN,
        Phase.AUTHORISE,
        403,
    )
    assert outcome.bytes_in == 4


@pytest.mark.parametrize("framing", ["Content-Length: 7", CHUNKED])
def test_mlflow_never_has_the_end_of_a_bad_body(framing: str, dialogue: Dialogue) -> None:
    scanning(dialogue, Scan())
    client = dialogue.client()
    whole = framing != CHUNKED
    client.sends(request("POST /scanned", framing), b"abc" if whole else b"3\r\nabc\r\n")
    mlflow = dialogue.mlflow_accepts()
    assert Message.of(mlflow.received()).rest == (b"abc" if whole else b"3\r\nabc\r\n")
    client.sends(b"def!" if whole else b"4\r\ndef!\r\n0\r\n\r\n")
    assert mlflow.received() == b""
    assert mlflow.closed()
    assert b"Not this." in client.received()
    assert dialogue.outcome().detail == "bad"


def test_what_takes_long_is_done_in_turns_and_the_client_waits(dialogue: Dialogue) -> None:
    scan = Scan()
    scanning(dialogue, scan)
    client = dialogue.client()
    body = b"x" * 1000
    client.sends(request("POST /scanned", "Content-Length: 1000"), body[:999])
    mlflow = dialogue.mlflow_accepts()
    assert Message.of(mlflow.received()).rest == body[:999]
    assert scan.steps >= 999 // Scan.STEP
    client.sends(body[999:])
    assert mlflow.received() == body[999:]
    mlflow.sends(response(200))
    assert dialogue.outcome().status == 200


def test_a_client_that_leaves_meanwhile_ends_it(dialogue: Dialogue) -> None:
    scanning(dialogue, Scan())
    client = dialogue.client()
    client.sends(request("POST /scanned", "Content-Length: 1000"), b"x" * 500)
    dialogue.mlflow_accepts()
    client.resets()
    assert dialogue.outcome().reason is Reason.CLIENT_GONE


def test_a_body_that_waits_for_an_invitation_is_invited(dialogue: Dialogue) -> None:
    scanning(dialogue, Scan())
    client = dialogue.client()
    client.sends(request("POST /scanned", "Content-Length: 4", "Expect: 100-continue"))
    mlflow = dialogue.mlflow_accepts()
    assert client.received() == b"HTTP/1.1 100 Continue\r\n\r\n"
    mlflow.received()
    client.sends(b"abc!")
    assert mlflow.received() == b""
    assert b"Not this." in client.received()
    dialogue.outcome()


@pytest.mark.parametrize("bad", [False, True])
def test_a_chunked_body_that_is_collected_is_looked_at_too(bad: bool, dialogue: Dialogue) -> None:
    scanning(dialogue, Scan(), LENGTH)
    client = dialogue.client()
    client.sends(request("POST /scanned", CHUNKED), b"3\r\nabc\r\n")
    client.sends(b"1\r\n!\r\n0\r\n\r\n" if bad else b"1\r\nd\r\n0\r\n\r\n")
    if bad:
        assert not dialogue.pending
        assert b"Not this." in client.received()
    else:
        mlflow = dialogue.mlflow_accepts()
        got = Message.of(mlflow.received())
        assert (got.fields[b"content-length"], got.rest) == (b"4", b"abcd")
        mlflow.sends(response(200))
    dialogue.outcome()


def test_mlflow_that_takes_nothing_keeps_the_client_waiting(dialogue: Dialogue) -> None:
    """Looking at a piece does not make the gate read on."""
    scanning(dialogue, Scan())
    client = dialogue.client()
    client.sends(request("POST /scanned", "Content-Length: 3000000"), b"x")
    mlflow = dialogue.mlflow_accepts()
    mlflow.received()
    mlflow.stops_reading()
    for _ in range(5):
        client.sends(b"x" * 100_000)
    assert not client.is_read()
    assert mlflow.transport.get_write_buffer_size() < 300_000
    mlflow.reads()
    assert client.is_read()
    client.resets()
    dialogue.outcome()


@given(st.lists(st.binary(min_size=1, max_size=30), max_size=8), st.booleans(), st.integers(0, 8))
def test_however_it_is_cut_all_of_a_good_body_arrives_and_no_whole_bad_one(
    pieces: list[bytes], framed: bool, early: int
) -> None:
    dialogue = Dialogue()
    scanning(dialogue, Scan())
    mlflow = dialogue.mlflow_is_idle()
    body = b"".join(pieces)
    reads = pieces if framed else [b"%x\r\n%b\r\n" % (len(each), each) for each in pieces]
    if not framed:
        reads.append(LAST)
    head = request("POST /scanned", f"Content-Length: {len(body)}" if framed else CHUNKED)
    client = dialogue.client()
    client.sends(head + b"".join(reads[:early]))
    for each in reads[early:]:
        client.sends(each)
    got = mlflow.received()
    rest = Message.of(got).rest if got else b""
    if BAD in body:
        assert b"Not this." in client.received()
        assert len(rest) < len(body) if framed else not rest.endswith(LAST)
    else:
        assert unchunked(rest) == body if not framed else rest == body
        mlflow.sends(response(200))
    dialogue.outcome()
    dialogue.ends()


def unchunked(rest: bytes) -> bytes:
    body = b""
    while (size := int(rest.partition(b"\r\n")[0], 16)) != 0:
        piece = rest.partition(b"\r\n")[2]
        body += piece[:size]
        rest = piece[size + 2 :]
    return body
