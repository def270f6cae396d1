"""llhttp reads heads as the plainest possible reader does, or refuses them.

The rules are llhttp's; what is shown here is that none of its leniences is switched on, in the
version that is installed.
"""

from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st

from headgate.wire.errors import ProtocolError
from headgate.wire.head import END, parse_request, parse_response

Field = tuple[bytes, bytes]
SCRAPS = st.one_of(
    st.sampled_from(
        [
            *(
                b"\r",
                b"\n",
                b"\r\n",
                b"\n\r",
                b"\n\n",
                b" ",
                b"\t",
                b"\x00",
                b"\x0b",
                b"\x0c",
                b"\x7f",
            ),
            *(
                b"\x85",
                b"\xa0",
                b"\xff",
                b":",
                b",",
                b";",
                b"\r\n ",
                b"\r\n\t",
                b" :",
                b": ",
                b"\r\n:",
            ),
            *(b"HTTP/1.1", b" HTTP/1.1\r\n", b"HTTP/1.0", b"GET / HTTP/1.1\r\n", b"Host: b\r\n"),
            *(b"X:\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"chunked"),
            *(b"Upgrade: x\r\nConnection: upgrade\r\n", b"Connection: close\r\n", b"0\r\n"),
        ]
    ),
    st.binary(min_size=1, max_size=1),
)
requests = st.sampled_from(
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /a?b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nX: y z\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        b"GET http://a/ HTTP/1.0\r\nX:\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    ]
)
responses = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n",
        b"HTTP/1.0 204\r\n\r\n",
        b"HTTP/1.1 304 Not\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ]
)


@st.composite
def odd(draw: st.DrawFn, heads: st.SearchStrategy[bytes]) -> bytes:
    """A head with a few scraps put in or taken out, up to its first empty line."""
    block = draw(heads)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(block)))
        block = block[:at] + draw(SCRAPS) + block[at + draw(st.integers(0, 2)) :]
    return block[: (block + END).index(END)] + END


class Sink:
    """Collects what a parser tells."""

    def __init__(self) -> None:
        self.target = b""
        self.fields: list[Field] = []

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value.rstrip(b" \t")))


def plainly(block: bytes) -> tuple[bytes, list[Field]]:
    """The first line and the fields, by nothing but the signs that separate them."""
    first, *lines = block.removesuffix(END).split(b"\r\n")
    fields = [line.partition(b":")[::2] for line in lines]
    return first, [(name, value.strip(b" \t")) for name, value in fields]


TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
VALUE = re.compile(rb"[\t -~\x80-\xff]*")


def is_strict(fields: list[Field]) -> bool:
    return all(TOKEN.fullmatch(name) and VALUE.fullmatch(value) for name, value in fields)


@given(odd(requests))
@example(b"GET / HTTP/1.1\nHost: a\n\r\n\r\n")
@example(b"GET / HTTP/1.1\r\nHost: a\r\n\n\r\n\r\n")
@example(b"GET / HTTP/1.1\r\nA:\r\nB: c\r\n\r\n")
def test_a_request_that_is_accepted_reads_plainly(block: bytes) -> None:
    sink = Sink()
    try:
        method, minor = parse_request(block, sink)
    except ProtocolError:
        return
    first, fields = plainly(block)
    assert re.fullmatch(rb"%b +%b +HTTP/1\.%d" % (method, re.escape(sink.target), minor), first)
    assert re.fullmatch(rb"[!-~]+", sink.target)
    assert sink.fields == fields
    assert is_strict(fields)


@given(odd(responses))
@example(b"HTTP/1.1 200 OK\nContent-Length: 5\n\r\n\r\n")
def test_a_response_that_is_accepted_reads_plainly(block: bytes) -> None:
    sink = Sink()
    try:
        status, minor = parse_response(block, sink)
    except ProtocolError:
        return
    first, fields = plainly(block)
    assert first.startswith(b"HTTP/1.%d %d" % (minor, status))
    assert b"\n" not in first
    assert sink.fields == fields
    assert is_strict(fields)
