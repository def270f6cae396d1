"""What becomes of an export, by the collector's response."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from headgate.events import Event, ExportFailed, ExportLossCause, ExportRecovered
from headgate.telemetry.otlp.collector import BadResponse, Reply, Unreachable
from headgate.telemetry.otlp.losses import ExportLog
from headgate.telemetry.otlp.sender import TRACES, Sender, _seconds

PROTOBUF = b"application/x-protobuf"


class Counts:
    """Counts as a row of the counters does."""

    def __init__(self) -> None:
        self.all: list[tuple[str, object]] = []

    def exported(self, exporter: str, *, ok: bool) -> None:
        self.all.append((exporter, ok))

    def lost(self, exporter: str, cause: ExportLossCause, amount: int) -> None:
        self.all.append((cause.value, amount))


class Scripted:
    """Responds as a list says; the last one stays."""

    endpoint = "http://collector:4318"

    def __init__(self, *replies: Reply | Exception) -> None:
        self._replies = list(replies)
        self.bodies: list[bytes] = []

    async def post(self, path: str, body: bytes, *, is_gzip: bool) -> Reply:
        assert path == "/v1/traces"
        self.bodies.append(gzip.decompress(body) if is_gzip else body)
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        if isinstance(reply, Exception):
            raise reply
        return reply

    def close(self) -> None:
        """Nothing is open."""


class Scene:
    """A sender whose waits take no time, with what it counts and emits."""

    def __init__(self, *replies: Reply | Exception, is_gzip: bool = True) -> None:
        self.now = 0.0
        self.waits: list[float] = []
        self.counts = Counts()
        self.events: list[Event] = []
        log = ExportLog("otlp_traces", self.counts, self.events.append, lambda: self.now)
        self.collector = Scripted(*replies)
        self.sender = Sender(TRACES, log, lambda: 1.0, lambda: self.now)
        self.sender.use(self.collector, is_gzip=is_gzip)  # type: ignore[arg-type]
        self.sender._pause = self._pause  # type: ignore[method-assign]

    async def _pause(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def send(self, items: int = 3) -> bool:
        return asyncio.run(self.sender.send(b"spans", items))


def reply(
    status: int = 200, body: bytes = b"", media: bytes = PROTOBUF, lines: bytes = b""
) -> Reply:
    return Reply(status, lines, media, body)


def test_what_is_taken_is_counted() -> None:
    scene = Scene(reply())
    assert scene.send()
    assert scene.collector.bodies == [b"spans"]
    assert scene.counts.all == [("otlp_traces", True)]
    assert scene.events == []


@pytest.mark.parametrize("is_gzip", [True, False])
def test_it_is_compressed_or_not(is_gzip: bool) -> None:
    scene = Scene(reply(), is_gzip=is_gzip)
    assert scene.send()
    assert scene.collector.bodies == [b"spans"]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (301, "not followed"),
        (400, "responded 400"),
        (401, "telemetry.otlp.headers_file"),
        (404, "is the endpoint right?"),
        (500, "responded 500"),
    ],
)
def test_what_is_refused_is_lost(status: int, said: str) -> None:
    scene = Scene(reply(status))
    assert not scene.send()
    assert scene.counts.all == [("otlp_traces", False), ("refused", 3)]
    (event, *_) = scene.events
    assert isinstance(event, ExportFailed)
    assert said in event.problem
    assert scene.waits == []


@pytest.mark.parametrize("first", [reply(429), reply(503), Unreachable("refused")])
def test_what_may_work_later_is_sent_again(first: Reply | Exception) -> None:
    scene = Scene(first, first, reply())
    assert scene.send()
    assert len(scene.collector.bodies) == 3
    assert scene.waits == [1.0, 2.0]
    failed, recovered = scene.events
    assert isinstance(failed, ExportFailed)
    assert isinstance(recovered, ExportRecovered)


def test_it_is_given_up_after_a_while() -> None:
    scene = Scene(Unreachable("refused"))
    assert not scene.send(7)
    assert scene.waits[:6] == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0]
    assert scene.counts.all[-1] == ("unreachable", 7)
    assert 60 < scene.now < 180
    reports = [each for each in scene.events if isinstance(each, ExportFailed)]
    assert len(reports) <= 1 + scene.now / 60


def test_retry_after_is_the_least_wait() -> None:
    scene = Scene(reply(429, lines=b"Retry-After: 17\r\n"), reply())
    assert scene.send()
    assert scene.waits == [17.0]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("17", 17.0),
        ("", 0.0),
        ("soon", 0.0),
        ("-1", 0.0),
        ("nan", 0.0),
        ("1e9", 300.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Fri, 21 Oct 2150 07:28:00 GMT", 300.0),
    ],
)
def test_retry_after_in_any_form(value: str, seconds: float) -> None:
    assert _seconds(value) == seconds


@pytest.mark.parametrize(
    "bad",
    [
        reply(body=b"<html>", media=b"text/html"),
        reply(body=b"\xff\xff\xff"),
        reply(body=b"{", media=b"application/json"),
        reply(body=b'{"partialSuccess": 7}', media=b"application/json"),
        BadResponse("not HTTP"),
    ],
)
def test_what_is_no_response_of_a_collector_is_an_error(bad: Reply | Exception) -> None:
    scene = Scene(bad)
    assert not scene.send()
    assert scene.counts.all == [("otlp_traces", False), ("error", 3)]


def partial(rejected: int, why: str) -> bytes:
    message = ExportTraceServiceResponse()
    message.partial_success.rejected_spans = rejected
    message.partial_success.error_message = why
    encoded: bytes = message.SerializeToString()
    return encoded


@pytest.mark.parametrize(
    "some",
    [
        reply(body=partial(2, "too\nold")),
        reply(
            body=b'{"partialSuccess": {"rejectedSpans": "2", "errorMessage": "too\\nold"}}',
            media=b"application/json",
        ),
    ],
)
def test_what_is_rejected_in_part_is_counted(some: Reply) -> None:
    scene = Scene(some)
    assert scene.send()
    assert scene.counts.all == [("otlp_traces", True), ("refused", 2)]
    (event,) = scene.events
    assert isinstance(event, ExportFailed)
    assert event.problem.endswith("rejects some: too old")


def test_a_warning_alone_loses_nothing() -> None:
    scene = Scene(reply(body=partial(0, "slow down")))
    assert scene.send()
    assert scene.counts.all == [("otlp_traces", True)]


def test_more_than_was_sent_cannot_be_rejected() -> None:
    scene = Scene(reply(body=partial(2**40, "")))
    scene.send()
    assert scene.counts.all[-1] == ("refused", 3)


def test_an_export_that_must_end_has_one_attempt() -> None:
    scene = Scene(Unreachable("refused"))
    scene.sender.finish()
    assert not scene.send()
    assert len(scene.collector.bodies) == 1


def test_the_collector_is_not_shown_with_its_header_fields() -> None:
    from headgate.telemetry.otlp.collector import Collector  # noqa: PLC0415

    made: Any = Collector("http://c:4318", None, [("Authorization", "Bearer canary")], 1.0)
    assert "canary" not in repr(made)
