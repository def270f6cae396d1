"""A header section that comes again means what it meant the first time, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headgate.wire.errors import ProtocolError
from headgate.wire.head import END
from headgate.wire.request import (
    MAX_LINE,
    MAX_REPEATED,
    Request,
    read_request,
    repeat_request,
)

MAX_FIELDS = 8

lines = st.builds(
    b"%b %b%b%b".__mod__,
    st.tuples(
        st.sampled_from([b"GET", b"POST", b"DELETE", b"TRACE"]),
        st.sampled_from([b"/", b"/a/b?c=d", b"/%41", b"*", b"//", b"http://a/"]),
        st.sampled_from([b" ", b"  ", b" x "]),
        st.sampled_from([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"RTSP/1.1", b"HTTP/1.1 HTTP/1.1"]),
    ),
)
fields = st.lists(
    st.sampled_from(
        [
            b"Host: a",
            b"Host: b",
            b"X: y",
            b"X: HTTP/1.1",
            b"X: y HTTP/1.1",
            b"Authorization: Bearer other",
            b"Content-Length: 5",
            b"Content-Length: 0",
            b"Transfer-Encoding: chunked",
            b"Connection: close",
            b"Connection: keep-alive",
            b"Connection: x",
            b"Expect: 100-continue",
        ]
    ),
    max_size=MAX_FIELDS + 1,
)
heads = st.builds(
    lambda line, names: b"\r\n".join([line, *names, b"", b""]),
    lines,
    fields,
)
Seen = tuple[object, ...]


def seen(request: Request) -> Seen:
    """Everything a request says about itself."""
    known = request.fields
    return (
        request.method,
        request.target,
        request.minor,
        known.lines,
        known.trace,
        dict(known.values),
        (known.credentials.authorization, known.credentials.api_key),
        known.length,
        known.close,
        known.expects_continue,
    )


def outcome(block: bytes, last: Request | None) -> Seen:
    try:
        return seen(read_request(block, MAX_FIELDS, last))
    except ProtocolError as error:
        return (error.message, error.reason, error.status)


@given(heads, heads)
@example(
    b"GET / HTTP/1.0\r\nX: y HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
)
@example(
    b"GET / RTSP/1.1\r\nX: y HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
)
def test_what_came_before_changes_nothing(before: bytes, block: bytes) -> None:
    """A head is understood alike on a fresh connection and after any other head."""
    try:
        last = read_request(before, MAX_FIELDS)
    except ProtocolError:
        last = None
    assert outcome(block, last) == outcome(block, None)


again = heads.flatmap(
    lambda head: st.tuples(
        st.just(head), st.lists(st.one_of(st.just(head), heads), min_size=1, max_size=3)
    )
)


@given(again, st.integers(0, 30))
@example(
    (
        b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"a" * 32),
        [b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"],
    ),
    0,
)
def test_a_head_that_is_found_without_a_search_is_the_one_that_a_search_finds(
    told: tuple[bytes, list[bytes]], cut: int
) -> None:
    """Whatever comes after a head, all of it or a part, and however long the parts are."""
    before, following = told
    stream = b"".join(following)
    data = stream[: len(stream) - cut]
    try:
        last = read_request(before, MAX_FIELDS)
    except ProtocolError:
        return
    end = data.find(END) + len(END)
    found = repeated(data, last)
    if found is not None:
        assert end == len(before)
        assert found == outcome(data[:end], None)


def repeated(data: bytes, last: Request) -> Seen | None:
    try:
        found = repeat_request(data, last)
    except ProtocolError as error:
        return (error.message, error.reason, error.status)
    return None if found is None else seen(found)


def test_a_head_like_the_last_one_is_found_without_a_search() -> None:
    block = b"GET /a?b=1 HTTP/1.1\r\nHost: a\r\nX: one\r\n\r\n"
    other = block.replace(b"b=1", b"b=2").replace(b"one", b"two")
    first = read_request(block, MAX_FIELDS)
    assert repeat_request(block + b"body", first) is first
    second = repeat_request(other + block, first)
    assert second is not None
    assert seen(second) == outcome(other, None)
    assert repeat_request(block, second) is not None


@pytest.mark.parametrize("size", range(0, 40, 7))
def test_a_part_of_a_head_is_not_found(size: int) -> None:
    block = b"GET /a?b=1 HTTP/1.1\r\nHost: a\r\nX: one\r\n\r\n"
    assert repeat_request(block[:size], read_request(block, MAX_FIELDS)) is None


def test_the_same_section_is_the_same_object() -> None:
    section = b" HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n"
    first = read_request(b"GET /a" + section, MAX_FIELDS)
    second = read_request(b"DELETE /b?c" + section, MAX_FIELDS, first)
    assert second.fields is first.fields
    assert (second.method, second.target, second.minor) == (b"DELETE", b"/b?c", 1)


def test_the_same_head_is_the_same_object() -> None:
    block = b"GET /a?b HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n"
    first = read_request(block, MAX_FIELDS)
    assert read_request(block, MAX_FIELDS, first) is first


@pytest.mark.parametrize("size", [MAX_LINE, MAX_LINE + 1])
def test_a_long_line_is_not_kept(size: int) -> None:
    line = b"GET /".ljust(size, b"a")
    block = line + b" HTTP/1.1\r\nHost: a\r\n\r\n"
    first = read_request(block, MAX_FIELDS)
    second = read_request(block, MAX_FIELDS, first)
    assert (first.line == second.line == line) is (size <= MAX_LINE)
    assert second.fields is first.fields
    assert (second.method, second.target) == (first.method, first.target)


@pytest.mark.parametrize(
    "field", [b"Authorization: Bearer one", b"Content-Length: 1", b"X: HTTP/1.1"]
)
def test_a_section_of_the_same_length_is_another(field: bytes) -> None:
    """Nothing short of the same bytes will do."""
    before = b"POST / HTTP/1.1\r\nHost: a\r\n" + field + b"\r\n\r\n"
    block = before.replace(b"one", b"two").replace(b": 1", b": 2").replace(b"X: ", b"Y: ")
    last = read_request(before, MAX_FIELDS)
    assert outcome(block, last) == outcome(block, None) != outcome(before, None)


def test_a_body_is_judged_by_each_method_anew() -> None:
    """A section that announces a body, sent once with POST, is still refused with GET."""
    section = b" HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
    first = read_request(b"POST /a" + section, MAX_FIELDS)
    with pytest.raises(ProtocolError, match="GET with a body"):
        read_request(b"GET /a" + section, MAX_FIELDS, first)


@pytest.mark.parametrize(("size", "kept"), [(MAX_REPEATED, True), (MAX_REPEATED + 1, False)])
def test_a_long_section_is_not_kept(size: int, *, kept: bool) -> None:
    """Connections that rest must not hold what a client once sent, however much it was."""
    start, end = b" HTTP/1.1\r\nHost: a\r\nX: ", b"\r\n\r\n"
    section = start + b"y" * (size - len(start) - len(end)) + end
    first = read_request(b"GET /a" + section, MAX_FIELDS)
    assert bool(first.fields.section) is kept
    assert (read_request(b"GET /a" + section, MAX_FIELDS, first).fields is first.fields) is kept


plain_targets = st.from_regex(rb"/[A-Za-z0-9/._~\-?&=%+,:@]{0,20}", fullmatch=True)


@given(plain_targets, st.sampled_from([b"GET", b"POST", b"HEAD", b"DELETE", b"PATCH", b"PUT"]))
def test_a_plain_request_line_is_one_to_llhttp_too(target: bytes, method: bytes) -> None:
    """A line that is read without llhttp is one that llhttp would have read alike."""
    section = b" HTTP/1.1\r\nHost: a\r\n\r\n"
    last = read_request(b"GET /" + section, MAX_FIELDS)
    block = method + b" " + target + section
    assert read_request(block, MAX_FIELDS, last).fields is last.fields
    assert outcome(block, last) == outcome(block, None)


def test_a_version_inside_a_field_begins_no_section() -> None:
    """An HTTP/1.0 head may carry the text that ends an HTTP/1.1 request line.

    Otherwise the bytes after it, sent by somebody else as the head of a request without a key,
    would be answered with the key that stood before it.
    """
    first = read_request(
        b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\nAuthorization: Bearer first\r\n"
        b"X: HTTP/1.1\r\nHost: a\r\n\r\n",
        MAX_FIELDS,
    )
    second = read_request(b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n", MAX_FIELDS, first)
    assert b"authorization" not in second.fields.values


PLAIN = b" HTTP/1.1\r\nHost: a\r\n"
PARENTS = [b"00-%b-%b-01" % (digit * 32, digit * 16) for digit in (b"1", b"2", b"0")]
names = st.sampled_from(
    [
        *(b"Content-Length", b"content-length", b"Expect", b"Transfer-Encoding", b"Host"),
        *(b"traceparent", b"Traceparent", b"tracestate", b"X-Request-ID", b"Connection"),
        *(b"Authorization", b"X-API-Key", b"Origin", b"X-Forwarded-For", b"X_Forwarded_For"),
        *(b"Content-Type", b"Accept", b"User-Agent", b"X-MLflow-Workspace", b"Upgrade"),
        *(b"X", b"Y-X", b"x", b"Proxy-Connection", b"Trailer"),
        *(b"Content_Length", b"X_Request_ID", b"Trace.Parent"),  # dropped, and mean nothing
    ]
)
values = st.sampled_from(
    [
        *(b"0", b"5", b"6", b"007", b"123456789012345", b"1234567890123456", b"+5", b"5 ", b""),
        *(b"5, 5", b"x", b"y", b" y", b"y\t", b"y z", b"a: b", b"\xff", b"\x7f", b"a\nb", b"a\r"),
        *(b"X", b"x, close", b"close", b"traceparent", b"chunked", b"100-continue", b"h2c"),
        *PARENTS,
    ]
)
separators = st.sampled_from([b": ", b": ", b": ", b":", b":  "])
varied = st.lists(st.tuples(names, separators, values), max_size=5)
Step = tuple[bytes, int, list[bytes]]
steps = st.lists(
    st.tuples(
        st.sampled_from(
            [*(b"POST /a",) * 3, b"POST /ab", b"POST /a?b", b"DELETE /a", b"GET /a", b"POST /%41"]
        ),
        st.integers(0, 31),
        st.lists(values, min_size=5, max_size=5),
    ),
    max_size=6,
)


def section(chosen: list[tuple[bytes, bytes, bytes]]) -> bytes:
    return PLAIN + b"".join(b"%b%b%b\r\n" % each for each in chosen) + b"\r\n"


def to_and_fro(which: int, new: list[bytes]) -> list[Step]:
    return [(b"POST /a", each, new) for each in (which, which ^ 3, which, which >> 1, 0)]


@given(varied, steps)
@example(
    [(b"X", b": ", b"y"), (b"Connection", b": ", b"X"), (b"Y-X", b": ", b"y")],
    to_and_fro(1, [b"z"] * 5),
)
@example([(b"X", b": ", b"y"), (b"X", b": ", b"y")], to_and_fro(1, [b"z"] * 5))
@example(
    [(b"Connection", b": ", b"traceparent"), (b"traceparent", b": ", b"x")],
    to_and_fro(2, PARENTS * 2),
)
@example(
    [(b"tracestate", b": ", b"x"), (b"traceparent", b": ", PARENTS[2])], to_and_fro(2, PARENTS * 2)
)
@example([(b"tracestate", b": ", b"x"), (b"tracestate", b": ", b"x")], to_and_fro(2, [b"y"] * 5))
@example(
    [(b"Content-Length", b": ", b"0"), (b"Expect", b": ", b"100-continue")],
    to_and_fro(1, [b"5"] * 5),
)
@example(
    [(b"Content-Length", b": ", b"5"), (b"Content_Length", b": ", b"5")], to_and_fro(2, [b"6"] * 5)
)
@example(
    [(b"X-Request-ID", b": ", b"x"), (b"X_Request_ID", b": ", b"x")], to_and_fro(2, [b"y"] * 5)
)
def test_another_value_means_what_it_would_have_meant_alone(
    chosen: list[tuple[bytes, bytes, bytes]], changes: list[Step]
) -> None:
    """Of any fields any may come with other values: what was known before changes nothing."""
    last = None
    for line, which, new in [(b"POST /a", 0, []), *changes]:
        changed = [
            (name, separator, new[at] if which >> at & 1 else value)
            for at, (name, separator, value) in enumerate(chosen)
        ]
        block = line + section(changed)
        assert outcome(block, last) == outcome(block, None)
        try:
            last = read_request(block, MAX_FIELDS, last)
        except ProtocolError:
            last = None


USUAL = b"Authorization: Bearer one\r\nX-API-Key: two\r\nContent-Type: a/b\r\nX-MLflow-Workspace: w"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"Content-Length: 5", b"Content-Length: 123"),
        (b"content-length: 5", b"content-length: 0"),
        (b"traceparent: x", b"traceparent: " + PARENTS[0]),
        (b"traceparent: " + PARENTS[0], b"traceparent: " + PARENTS[2]),
        (b"traceparent: " + PARENTS[0] + b"\r\nX: y", b"traceparent: " + PARENTS[1] + b"\r\nX: z"),
        (b"tracestate: a=1", b"tracestate: a=2"),
        (b"X-Request-ID: one-of-many", b"X-Request-ID: another-one"),
        (b"Y-X: a\r\nX: b", b"Y-X: c\r\nX: d"),
    ],
)
def test_a_section_with_other_values_is_understood_from_the_last(
    before: bytes, after: bytes
) -> None:
    """Nothing is looked up anew for credentials that are the same."""
    end = b"\r\n\r\n"
    first = read_request(b"POST /a" + PLAIN + USUAL + b"\r\n" + before + end, MAX_FIELDS)
    block = b"POST /a" + PLAIN + USUAL + b"\r\n" + after + end
    second = read_request(block, MAX_FIELDS, first)
    assert second.fields.credentials is first.fields.credentials
    assert second.fields.section == first.fields.section.replace(before, after)
    assert outcome(block, first) == outcome(block, None)


@pytest.mark.parametrize(
    "field",
    [
        *(b"Authorization: Bearer one", b"X-API-Key: two", b"Content-Type: a/b"),
        *(b"X-MLflow-Workspace: w", b"Host: a"),
    ],
)
def test_what_decides_is_read_anew(field: bytes) -> None:
    """Another key, host or workspace leaves nothing of what was known."""
    block = b"POST /a" + PLAIN + USUAL + b"\r\nX: y\r\n\r\n"
    first = read_request(block, MAX_FIELDS)
    second = read_request(block.replace(field, field + b"x"), MAX_FIELDS, first)
    assert second.fields.credentials is not first.fields.credentials
    assert second.fields.values != first.fields.values


@pytest.mark.parametrize("length", [b"0x5", b"+5", b"5 5", b"12345678901234567"])
def test_a_length_that_is_none_is_parsed_anew(length: bytes) -> None:
    before = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
    last = read_request(before, MAX_FIELDS)
    block = before.replace(b"5", length)
    assert outcome(block, last) == outcome(block, None)
