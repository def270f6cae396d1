"""Where bodies end, whatever pieces they arrive in."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import NamedTuple

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headgate.wire.body import (
    LAST_CHUNK,
    MAX_CHUNK_LINE,
    MAX_TRAILERS,
    BodyReader,
    ChunkedBody,
    CountedBody,
    UntilClose,
    chunk,
)
from headgate.wire.errors import ProtocolError


class Reading(NamedTuple):
    """What was made of a stream: its payload, how many bytes were its own, whether it ended."""

    payload: bytes
    used: int
    done: bool
    refused: str = ""


def read(body: BodyReader, pieces: Iterable[bytes]) -> Reading:
    """Feed ``pieces`` one after the other, as a connection does."""
    payload, used = b"", 0
    for piece in pieces:
        try:
            taken, count = body.feed(piece)
        except ProtocolError as error:
            return Reading(b"", 0, done=False, refused=error.message)
        assert all(taken), "an empty piece would be sent on as the chunk that ends the body"
        payload, used = payload + b"".join(taken), used + count
        assert body.done or count == len(piece)
        if body.done:
            break
    return Reading(payload, used, body.done)


def read_chunked(stream: bytes) -> Reading:
    return read(ChunkedBody(), [stream])


def llhttp(stream: bytes) -> Reading:
    """What another parser makes of the same chunks; byte by byte, since it tells no offset."""
    payload: list[bytes] = []
    complete: list[bool] = []

    class Sink:
        def on_body(self, data: bytes) -> None:
            payload.append(data)

        def on_message_complete(self) -> None:
            complete.append(True)

    parser = httptools.HttpRequestParser(Sink())
    parser.feed_data(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    for at in range(len(stream)):
        try:
            parser.feed_data(stream[at : at + 1])
        except httptools.HttpParserUpgrade:
            complete.append(
                True
            )  # trailers may look like an Upgrade; the body is over all the same
        except httptools.HttpParserError as error:
            return Reading(b"", 0, done=False, refused=str(error))
        if complete:
            return Reading(b"".join(payload), at + 1, done=True)
    return Reading(b"".join(payload), len(stream), done=False)


def cut(data: bytes, at: list[int]) -> list[bytes]:
    """``data`` in pieces, none of them empty."""
    edges = sorted({0, len(data), *(position % (len(data) + 1) for position in at)})
    return [data[start:end] for start, end in itertools.pairwise(edges)]


cuts = st.lists(st.integers(0, 1 << 16), max_size=8)
tokens = st.text("abcXYZ019!#$%&'*+-.^_`|~", min_size=1, max_size=6).map(str.encode)
quoted = st.sampled_from([b'""', b'"a b"', b'"\\""', b'";\\\\"', b'"\t\xe9"', b'"0\\;"'])
extensions = st.lists(
    st.one_of(tokens, st.tuples(tokens, st.one_of(tokens, quoted)).map(b"=".join)), max_size=2
).map(lambda parts: b"".join(b";" + part for part in parts))
sizes = st.sampled_from([b"%x", b"%X", b"0%x", b"000%x"])


@st.composite
def chunked_streams(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A well-formed chunked body and its payload."""
    stream, payload = b"", b""
    for data in draw(st.lists(st.binary(min_size=1, max_size=40), max_size=5)):
        size = draw(sizes) % len(data)
        stream += size + draw(extensions) + b"\r\n" + data + b"\r\n"
        payload += data
    trailers = draw(
        st.lists(st.sampled_from([b"X: y", b"Expires: 0", b"a:", b"b:\t\xe9 "]), max_size=2)
    )
    stream += draw(st.sampled_from([b"0", b"000"])) + draw(extensions) + b"\r\n"
    return stream + b"".join(line + b"\r\n" for line in trailers) + b"\r\n", payload


SCRAPS = (
    *(b"\r", b"\n", b"\r\n", b"\n\r", b"\r\n\r\n", b"0\r\n", b"0\r\n\r\n", b" ", b"\t", b"\x00"),
    *(b"\x0b", b"\x7f", b"\xff", b";", b";;", b";a=", b'"', b"\\", b"=", b":", b"0x", b"+", b"-"),
    *(b"_", b"f", b"5", b"00000000", b"fffffffffffffff", b"Content-Length: 5\r\n", b"X: y\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"GET / HTTP/1.1\r\n\r\n"),
)


@st.composite
def broken_streams(draw: st.DrawFn) -> bytes:
    """A chunked body with a few bytes put in, taken out or changed."""
    stream, _ = draw(chunked_streams())
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(stream)))
        gone = draw(st.integers(0, 2))
        put = draw(st.one_of(st.sampled_from(SCRAPS), st.binary(max_size=2)))
        stream = stream[:at] + put + stream[at + gone :]
    return stream


@given(chunked_streams(), cuts, st.binary(max_size=20))
def test_a_well_formed_body_ends_where_it_ends(
    body: tuple[bytes, bytes], at: list[int], following: bytes
) -> None:
    """Its payload and its end do not depend on the pieces, nor on what follows."""
    stream, payload = body
    assert read(ChunkedBody(), cut(stream + following, at)) == (payload, len(stream), True, "")


@given(broken_streams(), cuts)
def test_pieces_change_no_verdict(stream: bytes, at: list[int]) -> None:
    assert read(ChunkedBody(), cut(stream, at)) == read_chunked(stream)


@given(chunked_streams(), st.data())
def test_a_truncated_body_is_never_done(body: tuple[bytes, bytes], data: st.DataObject) -> None:
    stream, payload = body
    kept = stream[: data.draw(st.integers(0, len(stream) - 1))]
    reading = read_chunked(kept)
    assert (reading.done, reading.refused, reading.used) == (False, "", len(kept))
    assert payload.startswith(reading.payload)


@given(st.one_of(broken_streams(), chunked_streams().map(lambda body: body[0])))
@example(b"5 \r\nhello\r\n0\r\n\r\n")
@example(b"5 ;a\r\nhello\r\n0\r\n\r\n")
@example(b"5;a b\r\nhello\r\n0\r\n\r\n")
@example(b"5;\r\nhello\r\n0\r\n\r\n")
@example(b'5;a="b\r\nhello\r\n0\r\n\r\n')
@example(b"0\r\nContent-Length: 5\r\n\r\n")
@example(b"0\r\nTransfer-Encoding: gzip\r\n\r\n")
def test_what_is_accepted_is_read_alike_by_llhttp(stream: bytes) -> None:
    """No body ends here for the gate and elsewhere, or never, for llhttp, nor the reverse.

    No difference is allowed for in what is accepted.  The gate is the stricter one: it refuses
    sizes of more than 15 digits, long lines and trailers, and extensions with an empty name or
    value.  It may only learn later that a body is broken, since it judges whole lines.
    """
    ours, theirs = read_chunked(stream), llhttp(stream)
    assert ours.refused or theirs == ours or (not ours.done and theirs.refused)


SIZE_LINES = [
    *(b"", b" 5", b"\t5", b"+5", b"-5", b"0x5", b"5_0", b"5 ", b"5\t", b"5\r", b"5,", b"5h", b"g"),
    *(b"\xb2", b"5;", b"5;;a", b"5;a;", b"5 ;a", b"5; a", b"5;a ", b"5;a =b", b"5;a= b", b"5;=b"),
    *(b"5;a=", b"5;a b", b'5;a="b', b'5;a="b"c', b'5;a="\\"', b'5;a=b"c"', b"5;a,b", b"5;\xe9"),
    *(b"5;a\rb", b"5;a=\x00", b'5;a="\x0b"', b'5;a="\x7f"', b'5;a="\\\x00"', b"5;a\n"),
    *(b"0" * 15 + b"5", b"f" * 16, b"1" + b"0" * 15 + b"5"),
]
CHUNK_ENDS = [b"", b"\n", b"\r\r\n", b" \r\n", b"!\r\n", b"\n\r\n", b"\r", b"\rX", b"XY", b"0\r\n"]
LAST_LINES = [
    *(b"X\r\n", b": a\r\n", b"X : a\r\n", b" X: a\r\n", b"X: \x00\r\n", b"X: a\n", b"X: a\r\r\n"),
    *(b"X: a\r\n b\r\n", b"\n", b"\rX\r\n", b"Content-length: 5\r\n", b"X(: a\r\n"),
    *(b"TRANSFER-ENCODING: chunked\r\n", b"Content-Length:\r\n", b"X: \x7f\r\n"),
]


@pytest.mark.parametrize(
    "stream",
    [
        *[line + b"\r\nhello\r\n0\r\n\r\n" for line in SIZE_LINES],
        b"5\nhello\r\n0\r\n\r\n",
        *[b"5\r\nhello" + end + b"0\r\n\r\n" for end in CHUNK_ENDS],
        *[b"0\r\n" + line + b"\r\n" for line in LAST_LINES],
    ],
)
def test_broken_framing_is_refused(stream: bytes) -> None:
    """RFC 9112 section 7.1, without the white space that it lets a sender put around ``;``."""
    assert read_chunked(stream).refused


def test_a_chunk_may_be_larger_than_any_memory() -> None:
    """Its size is counted down, not allocated."""
    body = ChunkedBody()
    assert body.feed(b"f" * 15 + b"\r\nabc") == ([b"abc"], 20)
    assert body.feed(b"defg") == ([b"defg"], 4)
    assert not body.done


def test_a_line_of_the_coding_may_be_so_long() -> None:
    longest = b"5;" + b"a" * (MAX_CHUNK_LINE - 4)
    assert read_chunked(longest + b"\r\nhello\r\n" + LAST_CHUNK).payload == b"hello"
    assert read_chunked(longest + b"a\r\n").refused == "a line of the chunked coding is too long"


@pytest.mark.parametrize("start", [b"", b"5;", b"1\r\na", b"0\r\nX:"])
def test_an_endless_line_is_held_no_further_than_its_limit(start: bytes) -> None:
    """Fed byte by byte it costs no more than the limit squared, and is then refused."""
    body = ChunkedBody()
    body.feed(start)
    begun = len(start) - (start.rfind(b"\n") + 1)
    begun = 0 if start == b"1\r\na" else begun
    for _ in range(MAX_CHUNK_LINE - begun):
        body.feed(b"0")
    with pytest.raises(ProtocolError, match="too long"):
        body.feed(b"0")


def test_trailers_have_a_common_limit() -> None:
    line = b"X:" + b"a" * 1022
    most = MAX_TRAILERS // len(line)
    assert read_chunked(b"0\r\n" + (line + b"\r\n") * most + b"\r\n").done
    assert read_chunked(b"0\r\n" + (line + b"\r\n") * most + b"X:\r\n").refused


def test_nothing_is_taken_after_the_end() -> None:
    body = ChunkedBody()
    body.feed(LAST_CHUNK)
    assert body.feed(LAST_CHUNK) == ([], 0)


@given(st.lists(st.binary(min_size=1, max_size=100)))
def test_chunks_written_here_are_read_everywhere(parts: list[bytes]) -> None:
    stream = b"".join(map(chunk, parts)) + LAST_CHUNK
    assert read_chunked(stream) == llhttp(stream) == (b"".join(parts), len(stream), True, "")


@given(st.binary(min_size=1, max_size=200), st.integers(1, 200), cuts)
def test_a_counted_body_takes_its_length(data: bytes, length: int, at: list[int]) -> None:
    reading = read(CountedBody(length), cut(data, at))
    assert reading == (data[:length], min(length, len(data)), len(data) >= length, "")


def test_an_empty_counted_body_is_done_before_it_begins() -> None:
    assert CountedBody(0).done


@given(st.binary(min_size=1), cuts)
def test_a_body_until_close_never_ends_by_itself(data: bytes, at: list[int]) -> None:
    assert read(UntilClose(), cut(data, at)) == (data, len(data), False, "")
