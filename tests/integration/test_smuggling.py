"""No two programs read a request differently: the gate, nginx, MLflow, and three parsers.

Each case of the corpus is said to a gate in front of a recording socket, to nginx in front of
another, and to MLflow with each of the parsers that its server may have, straight and through a
gate.  Behind each case stands one more request: a server that finds another end of the case than
the rest also finds another request there.
"""

from __future__ import annotations

import itertools
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

import pytest

from tests.support.conversation import Conversation, End, converse
from tests.support.corpus import CORPUS
from tests.support.corpus.case import Case, Reading, Refused, Server
from tests.support.corpus_run import (
    RESPONSE_SECONDS,
    Result,
    Slicing,
    dribbled,
    echo,
    expected_readings,
    reading_of,
    run,
    sent_bytes,
    whole,
)
from tests.support.gate import Gate, create_key, running_gate
from tests.support.mlflow_server import MlflowServer, running_mlflow
from tests.support.nginx import running_nginx
from tests.support.readers import read_by_h11, read_by_httptools
from tests.support.recording_upstream import RecordedRequest, RecordingUpstream

SILENCE_SECONDS = 2.0
"""How long a server that expects more of a request is listened to."""
TOGETHER = 24
"""Cases that are sent immediately to a server that may wait in some of them."""
NUMBERS = {case.name: number for number, case in enumerate(CORPUS)}
PASSED = [case for case in CORPUS if not case.refusals and not case.unfinished]
REFUSED = [case for case in CORPUS if case.refusals]

FIELD = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+: ?[\t -~\x80-\xff]*")
REQUEST_LINE = re.compile(rb"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) /[!-~]* HTTP/1\.1")
ONCE = (b"host", b"x-request-id", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host")
NEVER = {
    *(b"authorization", b"x-api-key", b"origin", b"expect", b"connection", b"keep-alive"),
    *(b"proxy-connection", b"te", b"trailer", b"upgrade", b"http2-settings", b"forwarded", b"via"),
}


class Recorded(NamedTuple):
    """What came of the corpus at a gate, and all that it sent on, by connection."""

    results: Mapping[str, Result]
    upstream: str
    streams: Sequence[bytes]
    requests: Sequence[Sequence[RecordedRequest]]
    dribbled: bool


@pytest.fixture(scope="module", params=[whole, dribbled], ids=["whole", "dribbled"])
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """The corpus through a gate: each case in one packet, or byte by byte."""
    slicing: Slicing = request.param
    folder = tmp_path_factory.mktemp(f"gate-{slicing.__name__}")
    key = create_key(folder / "data", "corpus")
    with RecordingUpstream(echo) as upstream, running_gate(folder, upstream.url) as gate:
        results = run(gate, upstream, key, CORPUS, slicing)
    streams = upstream.received
    requests = [
        [each for each in upstream.requests if each.connection == number]
        for number in range(len(streams))
    ]
    upstream_name = f"{upstream.host}:{upstream.port}"
    return Recorded(results, upstream_name, streams, requests, slicing is dribbled)


def test_the_gate_makes_of_each_case_what_it_must(recorded: Recorded) -> None:
    """Each request is forwarded once and answered, or refused with its reason; none appears."""
    assert {name: result.readings for name, result in recorded.results.items()} == {
        case.name: expected_readings(case, number) for number, case in enumerate(CORPUS)
    }
    assert {name: responses(result) for name, result in recorded.results.items()} == {
        case.name: [
            (200, "") if isinstance(each, Reading) else (each.status, each.reason)
            for each in expected(case, number)
        ]
        for number, case in enumerate(CORPUS)
    }


def responses(result: Result) -> list[tuple[int, str]]:
    return [
        (each.status, each.get("X-Headgate-Reason") or "") for each in result.conversation.responses
    ]


def expected(case: Case, number: int) -> list[Reading | Refused]:
    """What becomes of each request, the one behind the case included."""
    return [*case.made, *expected_readings(case, number)[len(case.readings) :]]


def test_nobody_gets_the_response_to_another_request(recorded: Recorded) -> None:
    for number, case in enumerate(CORPUS):
        made = expected(case, number)
        bodies = [response.body for response in recorded.results[case.name].conversation.responses]
        for at, (each, body) in enumerate(zip(made, bodies, strict=True)):
            if isinstance(each, Reading):
                head_only = case.asks_head and at == 0
                assert body == (b"" if head_only else each.method + b" " + each.target), case.name


def test_the_connection_ends_where_nobody_can_know_what_follows(recorded: Recorded) -> None:
    """The last response says so, and it arrives: no reset takes it away.

    Who asked for the close in a whole request, and starts another only after the response, may
    meet a reset then, as at nginx: nothing was under way when the connection was closed.
    """
    for case in CORPUS:
        conversation = recorded.results[case.name].conversation
        late = case.closes and recorded.dribbled
        assert conversation.end in ([End.CLOSED, End.RESET] if late else [End.CLOSED]), case.name
        closing = [response.get("Connection") == "close" for response in conversation.responses]
        assert closing[:-1] == [False] * (len(closing) - 1), case.name
        assert closing[-1:] == [True] * (not case.unfinished), case.name


def test_every_request_is_accounted_for(recorded: Recorded) -> None:
    """One outcome for each request, in order, and the log counts what arrived."""
    for number, case in enumerate(CORPUS):
        result = recorded.results[case.name]
        outcomes = [(outcome["reason"], outcome["status"]) for outcome in result.outcomes]
        assert (
            outcomes
            == [
                ("ok", 200) if isinstance(each, Reading) else (each.reason, each.status)
                for each in expected(case, number)
            ]
            + [("client_gone", 0)] * case.unfinished
        ), case.name
        assert [reason for reason, _ in outcomes].count("ok") == len(result.readings), case.name


def test_what_is_forwarded_is_framed_by_the_gate(recorded: Recorded) -> None:
    """Strict lines, one framing, every field of the gate's own once, no claim of the client."""
    for request in itertools.chain(*recorded.requests):
        assert REQUEST_LINE.fullmatch(request.request_line)
        lines = request.head[:-4].split(b"\r\n")[1:]
        assert all(FIELD.fullmatch(line) for line in lines), request.head
        names = [name.lower() for name, _ in request.fields]
        assert [name for name in ONCE if names.count(name) != 1] == [], request.head
        assert NEVER.isdisjoint(names), request.head
        assert names.count(b"content-length") + names.count(b"transfer-encoding") <= 1
        assert request.all(b"transfer-encoding") in ([], [b"chunked"])
        assert all(re.fullmatch(rb"0|[1-9][0-9]*", n) for n in request.all(b"content-length"))
        assert request.all(b"host") == [recorded.upstream.encode()]
        assert b"spoofed" not in request.head + request.raw_body


@pytest.mark.parametrize("read", [read_by_h11, read_by_httptools])
def test_other_parsers_find_the_same_requests(
    read: Callable[[bytes], list[Reading]], recorded: Recorded
) -> None:
    """In whole streams, one request behind the other, to the last byte."""
    for stream, requests in zip(recorded.streams, recorded.requests, strict=True):
        assert sum(len(each.head) + len(each.raw_body) for each in requests) == len(stream)
        assert read(stream) == [reading_of(each) for each in requests if each.complete]


def test_nginx_finds_the_same_requests_in_what_is_forwarded(
    recorded: Recorded, tmp_path: Path
) -> None:
    with RecordingUpstream(echo) as upstream, running_nginx(tmp_path, upstream.url) as nginx:
        for stream, requests in zip(recorded.streams, recorded.requests, strict=True):
            before = len(upstream.requests)
            converse(nginx.connect(), [stream], leaves=True, seconds=RESPONSE_SECONDS)
            assert [reading_of(each) for each in upstream.requests[before:]] == [
                reading_of(each) for each in requests if each.complete
            ]


@pytest.fixture(scope="module")
def nginx_readings(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Sequence[Reading]]:
    """What nginx passes on of each case, without the gate."""
    found: dict[str, Sequence[Reading]] = {}
    folder = tmp_path_factory.mktemp("nginx")
    with RecordingUpstream(echo) as upstream, running_nginx(folder, upstream.url) as nginx:
        for number, case in enumerate(CORPUS):
            before = len(upstream.requests)
            sent = [sent_bytes(case, "no-key", number)]
            converse(nginx.connect(), sent, leaves=case.unfinished, seconds=SILENCE_SECONDS)
            found[case.name] = [reading_of(each) for each in upstream.requests[before:]]
    return found


def test_nginx_reads_what_the_gate_reads(
    nginx_readings: Mapping[str, Sequence[Reading]],
) -> None:
    """The paths in one spelling, since nginx passes them on as they were written."""
    for case in PASSED:
        here = [plain(each) for each in expected_readings(case, NUMBERS[case.name])]
        there = [plain(each) for each in nginx_readings[case.name]]
        if Server.NGINX in case.apart:
            assert there != here, case.name
            assert len(there) <= len(here), case.name
        else:
            assert there == here, case.name


def plain(reading: Reading) -> Reading:
    """The reading with its escapes decoded."""
    return reading._replace(target=unquote_to_bytes(reading.target))


class Responses(NamedTuple):
    """What a client is answered, and what MLflow has stored then."""

    responses: Sequence[tuple[int, bytes]]
    stored: bytes | None


class Answered(NamedTuple):
    """The corpus at one MLflow: straight, and through a gate."""

    server: Server
    straight: Mapping[str, Responses]
    through: Mapping[str, Responses]
    refused: Mapping[str, Conversation]


@pytest.fixture(
    scope="module",
    params=[pytest.param(Server.MLFLOW_H11, marks=pytest.mark.long), Server.MLFLOW_HTTPTOOLS],
)
def answered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Answered:
    """The session's MLflow reads with httptools, since that is installed beside the gate."""
    with ExitStack() as stack:
        if request.param is Server.MLFLOW_H11:
            folder = tmp_path_factory.mktemp("h11")
            server = stack.enter_context(running_mlflow(folder, {"UVICORN_HTTP": "h11"}))
            key = create_key(folder / "data", "corpus")
            gate = stack.enter_context(running_gate(folder, server.url))
        else:
            server = request.getfixturevalue("mlflow_server")
            gate, key = request.getfixturevalue("gate"), request.getfixturevalue("key")
        straight = {case.name: _say(case, "no-key", server, server) for case in PASSED}
        through = {case.name: _say(case, key, gate, server) for case in PASSED}
        with ThreadPoolExecutor(TOGETHER) as pool:
            refused = list(
                pool.map(lambda each: _converse(each, "no-key", server, SILENCE_SECONDS), REFUSED)
            )
    names = [case.name for case in REFUSED]
    return Answered(request.param, straight, through, dict(zip(names, refused, strict=True)))


def _converse(case: Case, key: str, to: Gate | MlflowServer, seconds: float) -> Conversation:
    connection = socket.create_connection((to.host, to.port))
    sent = [sent_bytes(case, key, NUMBERS[case.name])]
    return converse(connection, sent, leaves=False, seconds=seconds)


def _say(case: Case, key: str, to: Gate | MlflowServer, server: MlflowServer) -> Responses:
    seconds = SILENCE_SECONDS if case.apart else RESPONSE_SECONDS
    conversation = _converse(case, key, to, seconds)
    assert conversation.end is not End.OPEN or case.apart
    file = server.artifacts / "corpus" / "file.bin"
    stored = file.read_bytes() if file.exists() else None
    file.unlink(missing_ok=True)
    return Responses([(each.status, each.body) for each in conversation.responses], stored)


def test_mlflow_answers_what_it_answers_without_the_gate(answered: Answered) -> None:
    """And where it answers otherwise, for a known cause, it finds no request more."""
    for case in PASSED:
        straight, through = answered.straight[case.name], answered.through[case.name]
        if answered.server in case.apart:
            assert straight != through, case.name
            assert len(straight.responses) <= len(through.responses), case.name
        else:
            assert straight == through, case.name


def test_the_corpus_has_teeth(
    nginx_readings: Mapping[str, Sequence[Reading]], answered: Answered
) -> None:
    """Much of what the gate refuses would pass nginx, or MLflow, or be read in two ways by them."""
    by_nginx = [case.name for case in REFUSED if nginx_readings[case.name]]
    by_mlflow = [name for name, said in answered.refused.items() if b" 200 OK" in said.received]
    assert len(by_nginx) > 100
    assert len(by_mlflow) > 100
    assert len(set(by_nginx) ^ set(by_mlflow)) > 30


def test_names_are_unique_and_cases_many() -> None:
    assert len(NUMBERS) == len(CORPUS) >= 400
