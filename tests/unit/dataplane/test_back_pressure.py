"""The slower side sets the pace, in both directions; memory stays bounded."""

from __future__ import annotations

from headgate.dataplane.client_socket import WRITE_HIGH_WATER
from headgate.dataplane.client_stage import PIPELINE_BYTES
from headgate.reasons import Reason
from headgate.testing.dialogue import Dialogue
from headgate.testing.messages import Message, chunked, request, response
from headgate.testing.transport import End

PART = b"x" * 100_000


def test_a_slow_client_makes_mlflow_wait(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.stops_reading()
    client.sends(request("GET /stream"))
    mlflow = dialogue.mlflow_accepts()
    mlflow.sends(response(200, "Content-Length: 1000000"), *[PART] * 10)
    assert not mlflow.is_read()
    assert client.transport.get_write_buffer_size() < WRITE_HIGH_WATER + 2 * len(PART)

    for _ in range(20):
        client.reads(50_000)
        assert client.transport.get_write_buffer_size() < WRITE_HIGH_WATER + 2 * len(PART)
    client.reads()
    assert len(Message.of(client.received()).rest) == 1_000_000
    assert dialogue.outcome().bytes_out == 1_000_000


def test_a_slow_mlflow_makes_the_client_wait(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("PUT /stream", "Content-Length: 1000000"))
    mlflow = dialogue.mlflow_accepts()
    mlflow.stops_reading()
    client.sends(*[PART] * 10)
    assert not client.is_read()
    assert mlflow.transport.get_write_buffer_size() < WRITE_HIGH_WATER + 2 * len(PART)

    for _ in range(20):
        mlflow.reads(50_000)
        assert mlflow.transport.get_write_buffer_size() < WRITE_HIGH_WATER + 2 * len(PART)
    mlflow.reads()
    assert len(Message.of(mlflow.received()).rest) == 1_000_000
    mlflow.sends(response(200))
    assert dialogue.outcome().bytes_in == 1_000_000
    assert dialogue.pool.idle == 1


def test_a_slow_mlflow_makes_the_client_wait_from_the_first_byte(dialogue: Dialogue) -> None:
    mlflow = dialogue.mlflow_is_idle()
    mlflow.stops_reading()
    client = dialogue.client()
    client.sends(request("PUT /stream", "Content-Length: 1000000") + b"x" * 300_000)
    assert not client.is_read()
    mlflow.reads()
    assert client.is_read()


def test_nothing_is_read_while_mlflow_is_being_connected_to(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("PUT /stream", "Content-Length: 300000"), PART, PART, PART)
    assert not client.is_read()
    mlflow = dialogue.mlflow_accepts()
    assert client.is_read()
    assert len(Message.of(mlflow.received()).rest) == 300_000
    mlflow.sends(response(200))
    dialogue.outcome()


def test_nothing_is_read_while_connecting_for_a_pipelined_request(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("GET /stream") + request("PUT /stream", "Content-Length: 300000"))
    mlflow = dialogue.mlflow_accepts()
    mlflow.sends(response(200, "Connection: close"))
    assert len(dialogue.pool.pending) == 1
    client.sends(PART, PART, PART)
    assert not client.is_read()
    assert dialogue.outcome().bytes_in == 0

    second = dialogue.mlflow_accepts()
    assert len(Message.of(second.received()).rest) == 300_000
    second.sends(response(200))
    dialogue.outcome()


def test_what_follows_a_request_under_way_is_taken_in_up_to_a_bound(dialogue: Dialogue) -> None:
    client = dialogue.client()
    following = request("GET /refused") * 1000
    client.sends(request("GET /stream"))
    mlflow = dialogue.mlflow_accepts()
    client.sends(*[following] * 10)
    assert not client.is_read()
    assert len(following) < PIPELINE_BYTES

    mlflow.sends(response(200))
    assert client.received().count(b"401 Unauthorized") == 10_000


def test_mlflow_getting_on_does_not_let_more_in_behind_a_request(dialogue: Dialogue) -> None:
    client = dialogue.client()
    client.sends(request("GET /stream") + request("GET /refused") * 2000)
    mlflow = dialogue.mlflow_accepts()
    assert not client.is_read()
    mlflow.sends(response(200))
    assert client.received().count(b"401 Unauthorized") == 2000
    assert client.is_read()


def test_a_kept_connection_to_mlflow_is_read_again(dialogue: Dialogue) -> None:
    """It was paused for a slow client by the last piece of its response."""
    slow = dialogue.client()
    slow.stops_reading()
    slow.sends(request("GET /stream"))
    mlflow = dialogue.mlflow_accepts()
    mlflow.sends(response(200, body=b"x" * 300_000))
    assert slow.transport.get_write_buffer_size() > WRITE_HIGH_WATER
    assert dialogue.pool.idle == 1

    other = dialogue.client()
    other.sends(request("GET /stream"))
    mlflow.sends(response(200, body=b"quick"))
    assert other.received().endswith(b"quick")


def test_a_connection_that_still_holds_a_body_is_not_kept(dialogue: Dialogue) -> None:
    """MLflow answered without reading; the next body would pile up behind this one."""
    client = dialogue.client()
    client.sends(request("PUT /stream", "Content-Length: 400000"))
    mlflow = dialogue.mlflow_accepts()
    mlflow.stops_reading()
    client.sends(b"x" * 400_000)
    mlflow.sends(response(400, body=b"no"))

    assert client.received().endswith(b"no")
    assert (mlflow.end(), dialogue.pool.size) == (End.CUT, 0)
    assert dialogue.outcome().reason is Reason.OK


def test_a_client_that_is_behind_already_makes_mlflow_wait_from_the_start(
    dialogue: Dialogue,
) -> None:
    """Here the invitation to send the body is what fills its buffer."""
    mlflow = dialogue.mlflow_is_idle()
    client = dialogue.client()
    client.stops_reading()
    client.sends(request("GET /stream"))
    head = len(response(200, "Content-Length: 262000")) + 40
    mlflow.sends(response(200, body=b"x" * (WRITE_HIGH_WATER - head - 20)))
    room = WRITE_HIGH_WATER - client.transport.get_write_buffer_size()
    assert 0 < room < 25

    fields = ("Transfer-Encoding: chunked", "Expect: 100-continue")
    client.sends(request("POST /length", *fields))
    assert client.transport.get_write_buffer_size() > WRITE_HIGH_WATER
    client.sends(chunked(b"body"))
    assert mlflow.received().endswith(b"body")
    mlflow.sends(response(200, "Content-Length: 1000000"), *[PART] * 10)
    assert client.transport.get_write_buffer_size() < WRITE_HIGH_WATER + 2 * len(PART)
