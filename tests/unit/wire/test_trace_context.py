"""The trace context against the rules of the W3C, and against OpenTelemetry's own reader of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from headgate.wire.trace_context import (
    MAX_STATE_MEMBERS,
    continued,
    is_traceparent,
    is_tracestate,
    parent_lines,
    passed_on,
    trace_lines,
)

TRACE, PARENT, OWN, ATTEMPT = b"4bf92f3577b34da6" * 2, b"00f067aa0ba902b7", b"1" * 16, b"2" * 16


def parent(version: bytes = b"00", flags: bytes = b"01", rest: bytes = b"") -> bytes:
    return b"%b-%b-%b-%b%b" % (version, TRACE, PARENT, flags, rest)


def read_by_opentelemetry(parent: bytes, state: bytes | None = None) -> trace.SpanContext:
    """What a reader of OpenTelemetry makes of the fields."""
    carrier = {"traceparent": parent.decode("latin-1")}
    if state is not None:
        carrier["tracestate"] = state.decode("latin-1")
    context = TraceContextTextMapPropagator().extract(carrier)
    return trace.get_current_span(context).get_span_context()


def digits(count: int) -> st.SearchStrategy[bytes]:
    return st.text("0123456789abcdef", min_size=count, max_size=count).map(str.encode)


some_digits = st.one_of(
    digits(2), digits(16), digits(32), st.just(b"0" * 16), st.just(b"0" * 32), st.just(b"ff")
)
parents = st.one_of(
    st.builds(
        lambda version, trace_id, parent_id, flags, rest: (
            b"-".join([version, trace_id, parent_id, flags]) + rest
        ),
        st.one_of(digits(2), st.sampled_from([b"00", b"01", b"ff", b"FF", b"0"])),
        st.one_of(digits(32), st.sampled_from([b"0" * 32, TRACE, TRACE.upper()])),
        st.one_of(digits(16), st.sampled_from([b"0" * 16, PARENT, PARENT[:-1]])),
        digits(2),
        st.sampled_from([b"", b"-", b"-00", b"-what the future-will be", b"00", b".", b" "]),
    ),
    st.lists(some_digits, max_size=6).map(b"-".join),
    st.binary(max_size=60).filter(lambda value: b"\n" not in value),
)


@given(parents)
def test_a_parent_is_valid_where_opentelemetry_takes_it(value: bytes) -> None:
    """But for spaces around it, which the gate takes off before."""
    assert is_traceparent(value) == (
        read_by_opentelemetry(value).is_valid and value == value.strip(b" \t")
    )


@pytest.mark.parametrize(
    ("value", "is_valid"),
    [
        (parent(), True),
        (parent(flags=b"00"), True),
        (parent(flags=b"ff"), True),  # other flags may come to mean something
        (parent(rest=b"-00"), False),  # version 00 has four parts
        (parent(b"01"), True),
        (parent(b"01", rest=b"-more-and more"), True),
        (parent(b"cc", rest=b"-"), True),
        (parent(b"cc", rest=b".what"), False),
        (parent(b"01", rest=b"0"), False),
        (parent(b"ff"), False),
        (parent(b"ff", rest=b"-00"), False),
        (parent().upper(), False),
        (parent()[:-1], False),
        (parent(b"01")[:-1], False),
        (b"00-" + b"0" * 32 + b"-" + PARENT + b"-01", False),
        (b"00-" + TRACE + b"-" + b"0" * 16 + b"-01", False),
        (b"01-" + TRACE + b"-" + b"0" * 16 + b"-01-x", False),
        (b"", False),
    ],
)
def test_which_parents_are_valid(value: bytes, is_valid: bool) -> None:
    """W3C Trace Context, sections 3.2.2 and 3.2.4."""
    assert is_traceparent(value) is is_valid


@pytest.mark.parametrize(
    ("flags", "sent", "is_sampled"),
    [
        (b"00", b"00", False),
        (b"01", b"01", True),
        (b"02", b"02", False),
        (b"03", b"03", True),
        (b"ff", b"03", True),
        (b"fc", b"00", False),
    ],
)
def test_flags_that_mean_nothing_yet_become_zero(
    flags: bytes, sent: bytes, is_sampled: bool
) -> None:
    """W3C Trace Context, section 3.2.2.3; bit 1 is that of Level 2, for a random trace id."""
    span = continued(trace_lines({b"traceparent": parent(flags=flags)}), OWN)
    assert (span.flags, span.parent_sampled) == (sent, is_sampled)


valid_parents = st.one_of(
    st.builds(parent, st.just(b"00"), digits(2)),
    st.builds(
        parent,
        digits(2).filter(lambda version: version not in (b"00", b"ff")),
        digits(2),
        st.sampled_from([b"", b"-", b"-00", b"-what the future-will be"]),
    ),
)


@given(valid_parents, st.sampled_from([None, b"a=1", b"a=1,b=2", b"a=1,a=2"]))
def test_a_trace_goes_on_below_the_attempt(value: bytes, state: bytes | None) -> None:
    """MLflow's reader finds the client's trace, the attempt as parent, and the client's state."""
    given_fields = {b"traceparent": value} | ({} if state is None else {b"tracestate": state})
    span = continued(trace_lines(given_fields), OWN)
    span.attempt_id = ATTEMPT
    sent = dict(line.split(b": ", 1) for line in parent_lines(span).split(b"\r\n")[:-1])
    client = read_by_opentelemetry(value, state)
    found = read_by_opentelemetry(sent[b"traceparent"], sent.get(b"tracestate"))
    assert sent[b"traceparent"].startswith(b"00-")
    assert found.trace_id == client.trace_id == int(span.trace_id, 16)
    assert client.span_id == int(span.parent_id, 16)
    assert found.span_id == int(ATTEMPT, 16)
    assert found.trace_flags.sampled == client.trace_flags.sampled == span.parent_sampled
    assert found.trace_state == client.trace_state


def test_a_trace_that_is_passed_on_has_no_span_of_the_gate() -> None:
    span = passed_on(trace_lines({b"traceparent": parent(b"01", rest=b"-x"), b"tracestate": b"a"}))
    assert (span.trace_id, span.parent_id, span.span_id) == (TRACE, PARENT, b"")


key_rest = st.text("abz09_-*/A é", max_size=4)
simple_keys = st.builds("{}{}".format, st.sampled_from("abzA_-*/ @="), key_rest)
tenant_keys = st.builds("{}{}@{}".format, st.sampled_from("az09"), key_rest, st.sampled_from("azA"))
members = st.one_of(
    st.builds("{}={}".format, simple_keys | tenant_keys, st.text(" !,=~-+<>;aé\x7f", max_size=4)),
    st.sampled_from(["", " ", "a", "=", "a=" + "v" * 256, "a=" + "v" * 257, "a" * 256 + "=1"]),
)


@given(st.lists(members, max_size=5), st.sampled_from([",", " , ", "\t,"]))
def test_a_state_is_valid_where_opentelemetry_takes_it(parts: list[str], comma: str) -> None:
    """But for the keys that are valid since Level 2 alone."""
    state = comma.join(parts)
    taken = read_by_opentelemetry(parent(), state.encode("latin-1")).trace_state
    is_empty = not state.replace(",", "").strip(" \t")
    assert is_tracestate(state.encode("latin-1")) == (len(taken) > 0 or is_empty)


@pytest.mark.parametrize(
    ("state", "is_valid"),
    [
        (b"a=1", True),
        (b"a=1,b=2", True),
        (b"a=1 ,\t b=2", True),
        (b"a=1,,b=2,", True),
        (b"tenant@system=x", True),
        (b"0a@s=1", True),
        (b"0a=1", True),  # Level 2
        (b"a/b_c-d*e=x y", True),
        (b"a= x", True),
        (b",".join(b"k%d=1" % number for number in range(MAX_STATE_MEMBERS)), True),
        (b",".join(b"k%d=1" % number for number in range(MAX_STATE_MEMBERS + 1)), False),
        (b"a=1,a=2", False),
        (b"a=", False),
        (b"a", False),
        (b"A=1", False),
        (b"a =1", False),
        (b"a=1=2", False),
        (b"@a=1", False),
        (b"a=\xc3\xa9", False),
        (b"a" * 257 + b"=1", False),
        (b"a=" + b"1" * 257, False),
    ],
)
def test_which_states_are_valid(state: bytes, is_valid: bool) -> None:
    """W3C Trace Context, section 3.3.1."""
    assert is_tracestate(state) is is_valid
