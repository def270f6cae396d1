"""The access log: one JSON object a line, no secret in it, and no line lost in silence."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headgate.auth.keys.form import mint
from headgate.model import (
    FAMILIES,
    AttemptFailure,
    BodyHandling,
    FailedAttempt,
    Operation,
    Outcome,
    Phase,
    Retry,
    Source,
    SpanContext,
)
from headgate.reasons import Reason
from headgate.telemetry import access_log, line_sink
from headgate.telemetry.access_log import AccessLog
from headgate.testing.dialogue import Dialogue
from headgate.testing.messages import request, response
from tests.support.declared import check_access_line
from tests.support.outcomes import OUTCOME, a_principal, an_outcome

NOON = 1767268800.25  # 2026-01-01 12:00:00.250 UTC
KEY = mint(bytes(range(32)))
TOKEN = "canary-7f3a"  # a secret that has not the form of a key

seconds = st.floats(min_value=0, max_value=1e6)
outcomes = st.builds(
    an_outcome,
    reason=st.sampled_from(Reason),
    phase=st.sampled_from(Phase),
    status=st.just(0) | st.integers(200, 599),
    method=st.sampled_from([b"", b"GET", b"POST", b"DELETE"]),
    target=st.binary(max_size=2000),
    family=st.sampled_from(("", *FAMILIES)),
    principal=st.builds(a_principal, st.text(max_size=100), st.text(max_size=100)),
    request_id=st.from_regex(rb"[A-Za-z0-9._\-]{8,128}", fullmatch=True),
    client=st.text(max_size=45),
    endpoint=st.sampled_from(["", "127.0.0.1:5000", "[::1]:5000"]),
    duration=seconds,
    upstream_duration=seconds,
    bytes_in=st.integers(0, 2**63),
    bytes_out=st.integers(0, 2**63),
    attempts=st.integers(0, 3),
    user_agent=st.binary(max_size=2000),
    source=st.sampled_from(Source),
    canonical=st.binary(max_size=2000),
    path=st.binary(max_size=2000),
    upstream=st.sampled_from(["", "default"]),
    trace=st.none() | st.builds(SpanContext, st.just(b"a" * 32), st.just(b"b" * 16)),
    queue_duration=seconds,
    connect_duration=seconds,
    first_byte_after=seconds,
    gate_duration=seconds,
    retries=st.lists(
        st.builds(
            FailedAttempt,
            st.sampled_from(["127.0.0.1:5000", "h" * 253 + ":65535"]),
            st.sampled_from(AttemptFailure),
            st.text(),
            st.just(0.0),
            seconds,
        ),
        max_size=6,
    ).map(tuple),
    message=st.text(max_size=2000),
    detail=st.text(max_size=2000),
)
LONGEST = an_outcome(
    reason=Reason.REQUEST_AMBIGUOUS,
    phase=Phase.CANONICALISE,
    status=400,
    method=b"OPTIONS",
    target=b"/" + b"\xff" * 100_000,
    family="logged-models",
    principal=a_principal("\N{GRINNING FACE}" * 100),
    request_id=b"i" * 128,
    client="2001:db8:" + "ffff:" * 5 + "ffff%" + "z" * 20,
    endpoint="h" * 253 + ":65535",
    duration=99_999.999,
    upstream_duration=99_999.999,
    bytes_in=2**63,
    bytes_out=2**63,
    attempts=3,
    user_agent=b"\xff" * 100_000,
    source=Source.GATE,
    canonical=b"/" + b"\xff" * 100_000,
    path=b"/" + b"\xfe" * 100_000,
    upstream="u" * 64,
    trace=SpanContext(b"a" * 32, b"b" * 16, b"c" * 16),
    queue_duration=99_999.999,
    connect_duration=99_999.999,
    first_byte_after=99_999.999,
    gate_duration=99_999.999,
    retries=(FailedAttempt("h" * 253 + ":65535", AttemptFailure.CONNECT_FAILED, "", 0.0, 99_999.9),)
    * 9,
    message="\N{GRINNING FACE}" * 10_000,
    detail="\N{GRINNING FACE}" * 10_000,
)


class Pipe:
    """A pipe whose reader reads when the test says so."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()

    def close_reader(self) -> None:
        os.close(self.reader)
        self.reader = -1

    def close(self) -> None:
        for fd in (self.reader, self.writer):
            if fd >= 0:
                os.close(fd)

    def read(self) -> bytes:
        """What there is."""
        found = bytearray()
        while select.select([self.reader], [], [], 0)[0]:
            found += os.read(self.reader, 65536)
        return bytes(found)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    with contextlib.closing(Pipe()) as made:
        yield made


def records(written: bytes) -> list[dict[str, Any]]:
    """The lines, each of which must be one whole JSON object in ASCII."""
    assert written.endswith(b"\n") or not written
    lines = written.decode("ascii").split("\n")[:-1]
    found = [json.loads(line, parse_constant=pytest.fail) for line in lines]
    assert all(isinstance(each, dict) for each in found)
    return found


def written(*ended: Outcome) -> bytes:
    """What the log writes of the outcomes."""
    with contextlib.closing(Pipe()) as pipe:
        log = AccessLog(pipe.writer, lambda: NOON)
        for outcome in ended:
            log.write(outcome)
        assert log.close() == 0
        return pipe.read()


def record(outcome: Outcome) -> dict[str, Any]:
    (only,) = records(written(outcome))
    return only


def test_the_line_of_a_request() -> None:
    assert written(OUTCOME) == (
        b'{"time":"2026-01-01T12:00:00.250Z","event":"request","reason":"ok","phase":"respond",'
        b'"status":200,"source":"mlflow","method":"GET","path":"/version","route":"/version",'
        b'"operation":"version","family":"meta","principal":"ci","principal_id":"p_00000001",'
        b'"authenticator":"key","key_id":"k_00000001","request_id":"0123456789abcdef00000001",'
        b'"first_byte_ms":12.000,"duration_ms":12.500,"upstream_ms":10.000,"gate_ms":0.500,'
        b'"bytes_in":0,"bytes_out":6,"client":"192.0.2.1","upstream":"default",'
        b'"endpoint":"127.0.0.1:5000","attempts":1,"user_agent":"mlflow-python-client/3.17.2",'
        b'"client_version":"3.17.2"}\n'
    )


def test_a_line_says_what_the_path_became() -> None:
    line = record(
        an_outcome(
            target=b"/mlflow/api/2.0/mlflow/runs/get?run_id=1",
            canonical=b"/api/2.0/mlflow/runs/get",
            path=b"/tracking/api/2.0/mlflow/runs/get",
            operation=Operation(
                "runs",
                Retry.SAFE,
                BodyHandling.LENGTH,
                name="runs/get",
                path="mlflow/runs/get",
                mounts=("/ajax-api/2.0", "/api/2.0"),
            ),
        )
    )
    assert line["path"] == "/mlflow/api/2.0/mlflow/runs/get"
    assert line["canonical_path"] == "/api/2.0/mlflow/runs/get"
    assert line["upstream_path"] == "/tracking/api/2.0/mlflow/runs/get"
    assert (line["route"], line["operation"]) == ("/api/2.0/mlflow/runs/get", "runs/get")


def test_a_line_says_how_long_each_part_took_and_what_was_tried() -> None:
    line = record(
        an_outcome(
            trace=SpanContext(b"0af7651916cd43dd8448eb211c80319c", b"b7ad6b7169203331", b"1" * 16),
            queue_duration=0.25,
            connect_duration=0.0015,
            attempts=2,
            retries=(
                FailedAttempt(
                    "10.0.0.7:5000", AttemptFailure.CONNECT_FAILED, "refused", 0.001, 0.0035
                ),
            ),
        )
    )
    check_access_line(line)
    assert (line["queue_ms"], line["connect_ms"]) == (250, 1.5)
    assert line["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert line["span_id"] == "1" * 16
    assert line["retries"] == [{"endpoint": "10.0.0.7:5000", "cause": "connect_failed", "ms": 2.5}]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        *((0.0, b"0.000"), (4e-7, b"0.000"), (6e-7, b"0.001"), (0.0009994, b"0.999")),
        *((0.0009996, b"1.000"), (0.0125, b"12.500"), (0.9999994, b"999.999")),
        *((0.9999996, b"1000.000"), (1.0, b"1000.000"), (3600.5, b"3600500.000")),
    ],
)
def test_times_are_milliseconds_with_three_decimals(seconds: float, shown: bytes) -> None:
    assert b'"duration_ms":%b,' % shown in written(an_outcome(duration=seconds))


def test_a_trace_that_the_gate_only_passes_on_has_no_span_of_its_own() -> None:
    line = record(an_outcome(trace=SpanContext(b"0" * 31 + b"1", b"b7ad6b7169203331")))
    assert line["trace_id"] == "0" * 31 + "1"
    assert "span_id" not in line


def test_a_refusal_says_what_the_client_was_sent() -> None:
    line = record(an_outcome(reason=Reason.FORBIDDEN, message="Headgate refused it.", detail="d"))
    assert (line["message"], line["detail"]) == ("Headgate refused it.", "d")


@pytest.mark.parametrize(
    ("user_agent", "version"),
    [
        (b"mlflow-python-client/3.17.2", "3.17.2"),
        (b"mlflow-python-client/3.0.0rc1 x", "3.0.0rc1"),
        (b"mlflow-java-client/2.9.2", "2.9.2"),
        (b"python-requests/2.32.0", None),
        (b"mlflow-python-client/" + KEY.encode(), None),
    ],
)
def test_the_version_of_a_client_is_that_of_mlflow(user_agent: bytes, version: str | None) -> None:
    assert record(an_outcome(user_agent=user_agent)).get("client_version") == version


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.OK])
def test_what_went_wrong_names_whose_fault_it_was(reason: Reason) -> None:
    line = record(an_outcome(reason=reason, detail="10.0.0.7:5000: refused"))
    assert line["fault"] == reason.fault
    assert line["detail"] == "10.0.0.7:5000: refused"


@given(outcome=outcomes)
@example(outcome=LONGEST)
def test_every_line_is_one_json_object_that_a_pipe_takes_whole(outcome: Outcome) -> None:
    line = written(outcome)
    assert line.count(b"\n") == 1
    assert len(line) <= select.PIPE_BUF
    (only,) = records(line)
    check_access_line(only)
    assert only["status"] == outcome.status
    assert only["principal"] == outcome.principal.name
    assert only["principal_id"] == outcome.principal.id


def test_a_long_path_is_cut() -> None:
    assert record(an_outcome(target=b"/" + b"a" * 5000))["path"] == "/" + "a" * 1023


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        (f"/get-artifact?path={TOKEN}", "/get-artifact"),
        (f"/version#{TOKEN}", "/version"),
        (f"/a#b?{TOKEN}", "/a"),
        (f"http://user:{TOKEN}@gate.example/version", "gate.example/version"),
        (f"http:user:{TOKEN}@gate.example", "gate.example"),
        (f"/files/{KEY}/model.pkl", "/files/hg_***/model.pkl"),
        (f"/files/{KEY[:30]}", "/files/hg_***"),
        (f"/files/{KEY.replace('_', '%5f')}", "/files/hg_***"),
        ("/files/hg_results", "/files/hg_results"),
        ("/files/a@b", "/files/a@b"),
    ],
)
def test_secrets_in_a_target_are_left_out(target: str, shown: str) -> None:
    assert record(an_outcome(target=target.encode()))["path"] == shown


HEADERS = (
    *("Authorization: Bearer {}", "Authorization: Basic {}", "X-API-Key: {}", "Cookie: s={}"),
    *("Proxy-Authorization: Basic {}", "X-Auth-Token: {}", "Referer: https://h/?k={}"),
    *("X-Forwarded-For: {}", "X-Forwarded-Host: {}", "Forwarded: for={}", "Accept: text/{}"),
    *("Content-Type: text/{}", "Connection: close, {}", "Expect: {}", "Upgrade: {}", "Host: {}"),
    *("Traceparent: {}", "Tracestate: k={}", "{}: x", "Transfer-Encoding: {}", "TE: {}"),
    *("Content-Length: {}", "Origin: https://{}", "If-None-Match: {}", "Malformed {}"),
)
OWN_TEXT = ("User-Agent: {}", "X-Request-ID: {}")  # shown on purpose, but no key is


def logged(dialogue: Dialogue, head: bytes) -> bytes:
    """The lines that a request leaves, whether it is forwarded or refused."""
    client = dialogue.client()
    client.sends(head)
    if dialogue.pool.pending:
        dialogue.mlflow_accepts().sends(response(200, body=b"done"))
    client.resets()
    lines = written(*dialogue.outcomes())
    assert lines
    return lines


@pytest.mark.parametrize("place", HEADERS + OWN_TEXT)
@pytest.mark.parametrize("path", ["/stream", "/refused", "/defect"])
def test_no_header_puts_a_key_into_the_log(path: str, place: str) -> None:
    """Wherever a client puts its key, and however its request ends."""
    presented = [KEY, base64.b64encode(f"user:{KEY}".encode()).decode()]
    if place in HEADERS:
        presented.append(TOKEN)
    for secret in presented[:1] if place in OWN_TEXT else presented:
        lines = logged(Dialogue(), request(f"GET {path}", place.format(secret)))
        records(lines)
        assert secret.encode() not in lines


@given(noise=st.binary(max_size=60), at=st.integers(0, 200))
def test_whatever_bytes_a_client_sends_the_lines_are_json(noise: bytes, at: int) -> None:
    """Bytes put anywhere into a head that holds a key."""
    head = request(f"GET /stream?k={TOKEN}", f"Authorization: Bearer {KEY}", "User-Agent: x")
    lines = logged(Dialogue(), head[:at] + noise + head[at:] + b"\r\n\r\n")
    records(lines)


@pytest.mark.patches
@pytest.mark.parametrize("remembered", [1, 2, 512])
def test_a_line_says_nothing_of_those_before_it(
    remembered: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests that share a path, a user agent or nothing leave the lines each leaves alone."""
    monkeypatch.setattr(access_log, "REMEMBERED_TEXTS", remembered)
    ended = [
        an_outcome(target=target, user_agent=agent, principal=a_principal(principal), detail=detail)
        for target in (b"/a?b", b"/a", b"/a#c", b"/b", b"/" + b"\xff" * 2000, KEY.encode())
        for agent in (b"x", b"y" * 2000, KEY.encode())
        for principal, detail in (("alice", KEY), ("bob", "\0" * 2000))
    ]
    assert written(*ended, *ended) == b"".join(map(written, ended)) * 2


def test_lines_wait_for_a_flush_and_are_written_by_the_batch(pipe: Pipe) -> None:
    log = AccessLog(pipe.writer)
    log.write(OUTCOME)
    assert pipe.read() == b""
    log.flush()
    assert len(records(pipe.read())) == 1
    for _ in range(30):
        log.write(OUTCOME)
    assert 15 < len(records(pipe.read())) < 30
    log.close()
    assert 0 < len(records(pipe.read())) < 15


def test_a_file_gets_every_line(tmp_path: Path) -> None:
    with (tmp_path / "access.log").open("wb") as file:
        log = AccessLog(file.fileno())
        for _ in range(200):
            log.write(OUTCOME)
        assert log.close() == 0
    assert len(records((tmp_path / "access.log").read_bytes())) == 200


@pytest.mark.patches
def test_a_stalled_reader_loses_lines_and_reads_how_many(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every request is either a line or counted in a later one, also across several stalls."""
    monkeypatch.setattr(line_sink, "MAX_WAITING", 20_000)
    fcntl.fcntl(pipe.writer, fcntl.F_SETPIPE_SZ, 4096)
    log = AccessLog(pipe.writer)
    seen = []
    for _ in range(3):
        for _ in range(500):
            log.write(OUTCOME)
        log.flush()
        while found := records(pipe.read()):
            seen += found
            log.flush()
    log.write(OUTCOME)
    log.close()
    seen += records(pipe.read())
    counts = [line["lines_dropped"] for line in seen if "lines_dropped" in line]
    assert len(seen) < 1000
    assert len(seen) + sum(counts) == 1501


def test_the_end_waits_for_a_slow_reader(pipe: Pipe) -> None:
    fcntl.fcntl(pipe.writer, fcntl.F_SETPIPE_SZ, 4096)
    log = AccessLog(pipe.writer)
    for _ in range(500):
        log.write(OUTCOME)
    found = bytearray()

    def read_slowly() -> None:
        while data := os.read(pipe.reader, 1000):
            found.extend(data)

    reader = threading.Thread(target=read_slowly)
    reader.start()
    assert log.close() == 0
    os.close(pipe.writer)
    pipe.writer = -1
    reader.join()
    assert len(records(bytes(found))) == 500


@pytest.mark.patches
def test_the_end_does_not_wait_indefinitely_and_says_what_is_lost(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_sink, "CLOSE_SECONDS", 0.05)
    fcntl.fcntl(pipe.writer, fcntl.F_SETPIPE_SZ, 4096)
    log = AccessLog(pipe.writer)
    for _ in range(500):
        log.write(OUTCOME)
    lost = log.close()
    assert len(records(pipe.read())) + lost == 500
    assert lost > 400


def test_a_reader_that_is_gone_harms_nobody(pipe: Pipe) -> None:
    log = AccessLog(pipe.writer)
    pipe.close_reader()
    for _ in range(100):
        log.write(OUTCOME)
    log.flush()
    assert log.close() == 100


def test_a_reader_gone_before_the_start_harms_nobody(pipe: Pipe) -> None:
    pipe.close_reader()
    log = AccessLog(pipe.writer)
    log.write(OUTCOME)
    assert log.close() == 1


def test_the_shared_pipe_stays_as_it_was(pipe: Pipe) -> None:
    """Other programs write to the same standard output and do not expect it to refuse them."""
    log = AccessLog(pipe.writer)
    log.write(OUTCOME)
    log.close()
    assert os.get_blocking(pipe.writer)
    os.write(pipe.writer, b"still open\n")


@given(times=st.lists(st.integers(0, 4_000_000_000_000), min_size=1, max_size=5))
def test_times_are_those_of_the_clock_in_utc_even_when_it_is_set_back(times: list[int]) -> None:
    """``times``: milliseconds since the epoch."""
    with contextlib.closing(Pipe()) as pipe:
        moments = iter(times)
        log = AccessLog(pipe.writer, lambda: (next(moments) + 0.5) / 1000)
        for _ in times:
            log.write(OUTCOME)
        log.close()
        shown = [line["time"] for line in records(pipe.read())]
    for millis, time in zip(times, shown, strict=True):
        assert time.endswith(f".{millis % 1000:03d}Z")
        assert time[17:19] == f"{millis // 1000 % 60:02d}"
