"""The spans that an outcome becomes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span, Status

from headgate.model import AttemptFailure, FailedAttempt, Source, SpanContext
from headgate.reasons import Reason
from headgate.telemetry.otlp.span_queue import Ended
from headgate.telemetry.otlp.spans import ServedAt, SpanMaker
from tests.support.otlp_receiver import attributes
from tests.support.outcomes import an_operation, an_outcome

TRACE, PARENT, OWN, ATTEMPT = b"4bf92f3577b34da6" * 2, b"00f067aa0ba902b7", b"1" * 16, b"2" * 16
KEY = "hg_Ot0qtvGEEh1ZOCZPyE6utHFcahkmws6Jke4sGSv7K3Z3YWWCz"


def place(*, parent: bytes = PARENT, sampled: bool = True, attempt: bytes = ATTEMPT) -> SpanContext:
    made = SpanContext(
        TRACE, parent, OWN, sampled=sampled, flags=b"01", state=b"tracestate: a=1\r\n"
    )
    made.attempt_id = attempt
    return made


def spans(trace: SpanContext | None = None, *, principal_ids: bool = False, **outcome: Any) -> Any:
    maker = SpanMaker(
        ServedAt("mlflow.example.com", 443, "https"),
        lambda count: b"\xab" * count,
        principal_ids=principal_ids,
        upstream_schemes={"default": "http", "lab": "https"},
    )
    trace = trace or place()
    ended = Ended(an_outcome(trace=trace, **outcome), 1000.0, sampled=trace.sampled)
    found = ScopeSpans().spans
    maker.add_to(found, ended)
    return found


def test_a_request_that_mlflow_responded_to() -> None:
    server, client = spans(
        operation=an_operation("runs", "runs/get", "mlflow/runs/get"), bytes_out=6
    )
    assert (server.trace_id.hex(), server.span_id.hex()) == (TRACE.decode(), OWN.decode())
    assert server.parent_span_id.hex() == PARENT.decode()
    assert (server.trace_state, server.kind) == ("a=1", Span.SPAN_KIND_SERVER)
    assert server.flags == 0x301  # of a parent elsewhere, sampled
    assert server.end_time_unix_nano == 1000 * 10**9
    assert server.end_time_unix_nano - server.start_time_unix_nano == pytest.approx(
        12.5e6, rel=0.01
    )
    assert server.status.code == Status.STATUS_CODE_UNSET
    assert attributes(server.attributes) == {
        "http.request.method": "GET",
        "url.scheme": "https",
        "server.address": "mlflow.example.com",
        "server.port": 443,
        "client.address": "192.0.2.1",
        "url.path": "/version",
        "user_agent.original": "mlflow-python-client/3.17.2",
        "http.route": "mlflow/runs/get",
        "http.response.status_code": 200,
        "headgate.family": "runs",
        "headgate.operation": "runs/get",
        "headgate.reason": "ok",
        "headgate.phase": "respond",
        "headgate.source": "mlflow",
        "headgate.upstream": "default",
        "headgate.request_id": "0123456789abcdef00000001",
    }
    assert (client.span_id.hex(), client.parent_span_id.hex()) == (ATTEMPT.decode(), OWN.decode())
    assert client.kind == Span.SPAN_KIND_CLIENT
    assert attributes(client.attributes) == {
        "http.request.method": "GET",
        "server.address": "127.0.0.1",
        "server.port": 5000,
        "url.full": "http://127.0.0.1:5000/version",
        "headgate.upstream": "default",
        "http.response.status_code": 200,
    }


@pytest.mark.parametrize(
    ("scheme", "host", "address", "port"),
    [
        ("http", b"tools.example:8443", "tools.example", 8443),
        ("https", b"tools.example", "tools.example", 443),
        ("http", b"[fd00::1]", "fd00::1", 80),
        ("http", b"", "mlflow.example.com", 443),
        ("http", b"a b", "mlflow.example.com", 443),
        ("http", b"\xff" * 9000, "mlflow.example.com", 443),
        ("", b"", "mlflow.example.com", 443),
    ],
)
def test_the_server_is_what_the_client_has_called_it(
    scheme: str, host: bytes, address: str, port: int
) -> None:
    trace = place()
    trace.received(scheme, host, 0 if scheme else -1)
    found = attributes(spans(trace)[0].attributes)
    assert (found["server.address"], found["server.port"]) == (address, port)
    assert found.get("network.protocol.version") == ("1.0" if scheme else None)


def test_phases_are_events() -> None:
    server, *_ = spans(
        duration=1.0,
        queue_duration=0.2,
        connect_duration=0.1,
        sent_after=0.35,
        first_byte_after=0.9,
    )
    began = server.start_time_unix_nano
    after = {each.name: round((each.time_unix_nano - began) / 1e9, 3) for each in server.events}
    assert after == {
        "headgate.queued": 0.25,
        "headgate.connected": 0.35,
        "headgate.sent": 0.35,
        "headgate.first_byte": 0.9,
    }
    took = {each.name: attributes(each.attributes) for each in server.events}
    assert took["headgate.queued"] == {"headgate.seconds": 0.2}


@pytest.mark.parametrize(
    ("outcome", "error", "is_error"),
    [
        ({"status": 404}, None, False),
        ({"status": 500}, "500", True),
        ({"status": 401, "reason": Reason.KEY_UNKNOWN, "source": Source.GATE}, None, False),
        ({"status": 503, "reason": Reason.NO_ENDPOINT, "source": Source.GATE}, "no_endpoint", True),
        ({"status": 0, "reason": Reason.CLIENT_GONE, "source": Source.NONE}, "client_gone", False),
        ({"status": 200, "reason": Reason.UPSTREAM_RESET}, "upstream_reset", True),
    ],
)
def test_what_is_an_error_of_the_server(
    outcome: dict[str, Any], error: str | None, is_error: bool
) -> None:
    server, *_ = spans(**outcome, detail="it broke")
    assert attributes(server.attributes).get("error.type") == error
    assert (server.status.code == Status.STATUS_CODE_ERROR) is is_error
    assert server.status.message == ("it broke" if is_error else "")


def test_for_a_client_each_status_from_400_is_an_error() -> None:
    _, client = spans(status=404)
    assert attributes(client.attributes)["error.type"] == "404"
    assert client.status.code == Status.STATUS_CODE_ERROR


def test_an_unknown_method_is_named_beside_its_class() -> None:
    server, _ = spans(method=b"PROPFIND", operation=None)
    found = attributes(server.attributes)
    assert server.name == "HTTP"
    assert found["http.request.method"] == "_OTHER"
    assert found["http.request.method_original"] == "PROPFIND"
    assert found["headgate.family"] == "none"


def test_a_head_that_was_not_read_has_no_method() -> None:
    (server,) = spans(method=b"", target=b"", operation=None, upstream="", endpoint="", attempts=0)
    found = attributes(server.attributes)
    assert found["http.request.method"] == "_OTHER"
    assert not {"http.request.method_original", "url.path", "http.route"} & set(found)


def test_each_failed_attempt_is_a_span() -> None:
    failed = [
        FailedAttempt("10.0.0.7:5000", AttemptFailure.RESET, "reset", 0.1, 0.2, b"3" * 16),
        FailedAttempt("[fd00::1]:5000", AttemptFailure.CONNECT_FAILED, "refused", 0.2, 0.3),
    ]
    _, first, second, last = spans(
        retries=tuple(failed), attempts=3, upstream="lab", duration=1.0, sent_after=0.4
    )
    assert first.span_id.hex() == "3" * 16
    assert second.span_id.hex() == "ab" * 8  # MLflow has seen none
    assert last.span_id.hex() == ATTEMPT.decode()
    found = [attributes(each.attributes) for each in (first, second, last)]
    assert [each.get("http.request.resend_count") for each in found] == [None, 1, 2]
    assert [each.get("error.type") for each in found] == ["reset", "connect_failed", None]
    assert found[1]["server.address"] == "fd00::1"
    assert found[2]["url.full"] == "https://127.0.0.1:5000/version"
    assert first.end_time_unix_nano <= second.start_time_unix_nano
    assert second.end_time_unix_nano <= last.start_time_unix_nano <= last.end_time_unix_nano


def test_a_last_attempt_without_connection_has_an_id_of_its_own() -> None:
    """The last id that was sent is that of the attempt before."""
    failed = FailedAttempt("10.0.0.7:5000", AttemptFailure.RESET, "reset", 0.1, 0.2, ATTEMPT)
    _, first, last = spans(
        retries=(failed,),
        attempts=2,
        sent_after=0.0,
        status=502,
        reason=Reason.UPSTREAM_CONNECT,
        source=Source.GATE,
    )
    assert first.span_id.hex() == ATTEMPT.decode()
    assert last.span_id.hex() == "ab" * 8
    assert attributes(last.attributes)["error.type"] == "upstream_connect"


def test_a_failure_that_is_not_sampled_has_a_server_span_alone() -> None:
    assert len(spans(place(sampled=False), status=503)) == 1


def test_the_gates_own_pages_have_no_attempts() -> None:
    assert len(spans(upstream="", endpoint="control:0")) == 1


def test_a_principal_is_named_only_if_configured() -> None:
    (server, _), (named, _) = spans(), spans(principal_ids=True)
    assert "p_00000001" not in str(server)
    assert attributes(named.attributes)["headgate.principal.id"] == "p_00000001"


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/a?token=canary", "/a"),
        (b"/a#canary", "/a"),
        (b"http://user:canary@host/a?b", "/a"),
        (b"http://user:canary@host", "/"),
        (b"*", None),
        (b"host:443", None),
        (f"/get-artifact/{KEY}".encode(), "/get-artifact/hg_***"),
    ],
)
def test_a_path_is_shown_without_secrets(target: bytes, path: str | None) -> None:
    found = spans(target=target)[0]
    shown = attributes(found.attributes).get("url.path")
    assert "canary" not in str(found)
    assert KEY not in str(found)
    if path is not None and "***" in path:
        assert shown is not None
        assert shown.startswith("/get-artifact/")
    else:
        assert shown == path


@given(st.binary(max_size=2000), st.binary(max_size=2000), st.text(max_size=50))
def test_whatever_a_client_sends_makes_a_span(target: bytes, agent: bytes, detail: str) -> None:
    server, _ = spans(target=target, user_agent=agent, detail=detail, status=500)
    server.SerializeToString()
    assert len(attributes(server.attributes).get("user_agent.original", "")) <= 1024
