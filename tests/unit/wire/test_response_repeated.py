"""A response's head that resembles the one before it means what it would have meant alone."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headgate.wire.errors import ProtocolError
from headgate.wire.head import END
from headgate.wire.response import Response, read_response

MAX_FIELDS = 8
Field = tuple[bytes, bytes, bytes]
Seen = tuple[object, ...]

status_lines = st.sampled_from(
    [
        *(b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK", b"HTTP/1.1 200 Yes: so", b"HTTP/1.1 200 Yes: no"),
        *(b"HTTP/1.0 200 OK", b"HTTP/1.1 304 X", b"HTTP/1.1 204 X", b"HTTP/1.1 100 X"),
    ]
)
methods = st.sampled_from([b"GET", b"GET", b"HEAD"])
names = st.sampled_from(
    [
        *(b"Content-Length", b"content-length", b"Transfer-Encoding", b"Connection", b"Location"),
        *(b"Date", b"date", b"ETag", b"Content-Type", b"content-type", b"Set-Cookie", b"Server"),
        *(b"X", b"Y-X", b"x", b"Upgrade", b"Proxy-Connection", b"Keep-Alive"),
    ]
)
values = st.sampled_from(
    [
        *(b"0", b"5", b"6", b"007", b"123456789012345", b"1234567890123456", b"+5", b"5 ", b""),
        *(b"5, 5", b"x", b"y", b" y", b"y\t", b"y z", b"a: b", b"\xff", b"\x7f", b"a\nb", b"a\r"),
        *(b"X", b"x, close", b"close", b"keep-alive", b"date", b"content-length", b"chunked"),
        *(b"text/html", b"Content-Type: text/html", b"upgrade"),
    ]
)
separators = st.sampled_from([b": ", b": ", b": ", b":", b":  "])
fields = st.lists(st.tuples(names, separators, values), max_size=5)


def head(status_line: bytes, chosen: list[Field]) -> bytes:
    lines = [status_line, *(b"%b%b%b" % each for each in chosen)]
    return b"\r\n".join([*lines, b"", b""])


def outcome(block: bytes, method: bytes, last: Response | None) -> Seen:
    """Everything a response says about itself, and what becomes of a body."""
    try:
        found = read_response(block, method, MAX_FIELDS, last)
    except ProtocolError as error:
        return (error.message, error.reason, error.status)
    body = found.body
    return (
        *(found.status, found.lines, found.length, found.location, found.media_type),
        *(found.close, found.delimited, type(body), body.done),
        None if body.done else body.feed(b"5\r\nhello\r\n0\r\n\r\n"),
    )


Step = tuple[int, list[bytes]]
steps = st.lists(
    st.tuples(st.integers(0, 31), st.lists(values, min_size=5, max_size=5)), max_size=6
)


def to_and_fro(which: int) -> list[Step]:
    return [(each, [b"6"] * 5) for each in (which, which ^ 3, which, 0)]


@given(status_lines, status_lines, methods, methods, fields, steps)
@example(
    *(b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK", b"HEAD", b"HEAD"),
    *([(b"Content-Length", b": ", b"0")], to_and_fro(1)),
)
@example(
    *(b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK", b"GET", b"GET"),
    *([(b"X", b": ", b"5"), (b"Connection", b": ", b"X"), (b"Y-X", b": ", b"5")], to_and_fro(1)),
)
@example(
    *(b"HTTP/1.1 200 Yes: so", b"HTTP/1.1 200 Yes: no", b"GET", b"GET", [], to_and_fro(0)),
)
def test_what_came_before_changes_nothing(
    first: bytes,
    second: bytes,
    before: bytes,
    method: bytes,
    chosen: list[Field],
    changes: list[Step],
) -> None:
    """Of any fields any may come with other values, to another method, under another status."""
    last, line, asked = None, first, before
    for which, new in [(0, []), *changes]:
        changed = [
            (name, separator, new[at] if which >> at & 1 else value)
            for at, (name, separator, value) in enumerate(chosen)
        ]
        block = head(line, changed)
        fresh = outcome(block, asked, None)
        assert outcome(block, asked, last) == fresh
        try:
            last = read_response(block, asked, MAX_FIELDS, last)
        except ProtocolError:
            last = None
        line, asked = second, method


@given(status_lines, methods, fields, steps, st.integers(0, 30))
def test_a_head_that_is_found_without_a_search_is_the_one_that_a_search_finds(
    line: bytes, method: bytes, chosen: list[Field], changes: list[Step], cut: int
) -> None:
    """Whatever comes after a head, all of it or a part, and however long the parts are."""
    try:
        last = read_response(head(line, chosen), method, MAX_FIELDS)
    except ProtocolError:
        return
    following = [head(line, [])]
    for which, new in changes:
        changed = [
            (name, separator, new[at] if which >> at & 1 else value)
            for at, (name, separator, value) in enumerate(chosen)
        ]
        following.insert(0, head(line, changed))
        stream = b"".join(following)
        data = stream[: len(stream) - cut]
        size = last.repeats(data, method)
        if size:
            assert size == data.index(END) + len(END)
            last.renew(data[:size], method)  # its body was begun by none
            assert outcome(data[:size], method, last) == outcome(data[:size], method, None)


@pytest.mark.parametrize("size", range(0, 40, 7))
def test_a_part_of_a_head_is_not_found(size: int) -> None:
    block = head(OK, [LENGTH, (b"Date", b": ", b"now")])
    last = read_response(block, b"GET", MAX_FIELDS)
    assert not last.repeats(block[:size], b"GET")
    assert last.repeats(block + b"hello", b"GET") == len(block)
    assert last.repeats(block.replace(b"now", b"new") + b"hello", b"GET") == len(block)


OK = b"HTTP/1.1 200 OK"
LENGTH = (b"Content-Length", b": ", b"5")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([LENGTH], [LENGTH]),
        ([LENGTH], [(b"Content-Length", b": ", b"007")]),
        ([LENGTH, (b"Date", b": ", b"now")], [LENGTH, (b"Date", b": ", b"later")]),
        ([(b"X", b": ", b"y"), LENGTH], [(b"X", b": ", b"z"), (b"Content-Length", b": ", b"0")]),
        ([(b"Transfer-Encoding", b": ", b"chunked")], [(b"Transfer-Encoding", b": ", b"chunked")]),
    ],
)
def test_a_head_with_other_values_is_understood_from_the_last(
    before: list[Field], after: list[Field]
) -> None:
    """It is the same object then, and expects its body anew."""
    last = read_response(head(OK, before), b"GET", MAX_FIELDS)
    last.body.feed(b"3\r\nall of it")
    again = head(OK, after)
    assert read_response(again, b"GET", MAX_FIELDS, last) is last
    assert outcome(again, b"GET", last) == outcome(again, b"GET", None)


@pytest.mark.parametrize(
    "change",
    [
        *((b"Content-Type", b"a/b"), (b"Location", b"/a"), (b"Connection", b"x")),
        *((b"Set-Cookie", b"a=b"), (b"Keep-Alive", b"5")),
    ],
)
def test_what_is_not_merely_shown_is_read_anew(change: tuple[bytes, bytes]) -> None:
    name, value = change
    last = read_response(head(OK, [(name, b": ", b"other"), LENGTH]), b"GET", MAX_FIELDS)
    block = head(OK, [(name, b": ", value), LENGTH])
    assert read_response(block, b"GET", MAX_FIELDS, last) is not last


def test_a_failed_change_leaves_what_was_known() -> None:
    """A head that is half understood must not colour the next."""
    fields: list[Field] = [(b"X", b": ", b"y"), LENGTH, (b"Set-Cookie", b": ", b"a")]
    last = read_response(head(OK, fields), b"GET", MAX_FIELDS)
    lines = last.lines
    changed = head(
        OK, [(b"X", b": ", b"z"), (b"Content-Length", b": ", b"6"), (b"Set-Cookie", b": ", b"b")]
    )
    assert read_response(changed, b"GET", MAX_FIELDS, last) is not last
    assert (last.lines, last.length) == (lines, 5)


def test_one_that_is_held_stands_for_no_other() -> None:
    """Its client is given it after the next one has come on its connection."""
    last = read_response(head(OK, [LENGTH]), b"GET", MAX_FIELDS)
    last.hold()
    block = head(OK, [(b"Content-Length", b": ", b"6")])
    assert not last.repeats(block, b"GET")
    assert read_response(block, b"GET", MAX_FIELDS, last) is not last
    assert (last.lines, last.length) == (b"Content-Length: 5\r\n", 5)


@pytest.mark.parametrize("length", [b"0x5", b"+5", b"5 5", b"12345678901234567"])
def test_a_length_that_is_none_is_parsed_anew(length: bytes) -> None:
    last = read_response(head(OK, [LENGTH]), b"GET", MAX_FIELDS)
    block = head(OK, [(LENGTH[0], LENGTH[1], length)])
    assert outcome(block, b"GET", last) == outcome(block, b"GET", None)


def test_what_heads_have_in_common_is_kept_and_widened() -> None:
    """Later heads that differ in the same values, or in further ones, are not parsed."""

    def of(date: bytes, tag: bytes, etag: bytes = b"ETag") -> bytes:
        return head(OK, [(b"Date", b": ", date), (etag, b": ", tag), LENGTH])

    last = read_response(of(b"one", b"a"), b"GET", MAX_FIELDS)
    blocks = [of(b"two", b"a"), of(b"three", b"a"), of(b"four", b"b"), of(b"five", b"c")]
    for block in blocks:
        assert read_response(block, b"GET", MAX_FIELDS, last) is last
        assert outcome(block, b"GET", last) == outcome(block, b"GET", None)
    for other in (of(b" six", b"c"), of(b"six", b"c", b"X-Tag")):
        assert read_response(other, b"GET", MAX_FIELDS, last) is not last
        assert outcome(other, b"GET", last) == outcome(other, b"GET", None)
