"""The chunked coding (RFC 9112 section 7.1), at each place where readers differ."""

from __future__ import annotations

from tests.support.corpus.case import (
    INNER,
    MALFORMED,
    NO_EMPTY_LINE,
    SMUGGLED,
    SMUGGLED_PASSES,
    Case,
    put,
    stored,
)

HELLO = stored(b"hello")
END = b"0\r\n\r\n"


def _passes(name: str, body: bytes, payload: bytes = b"hello") -> Case:
    return Case(f"chunks-{name}", _chunked(body), (stored(payload),))


def _refused(name: str, body: bytes) -> Case:
    """Some of the body may have reached MLflow before the error, but never its end."""
    return Case(f"chunks-{name}", _chunked(body), (MALFORMED,))


def _unfinished(name: str, body: bytes) -> Case:
    return Case(f"chunks-{name}", _chunked(body), unfinished=True)


def _chunked(body: bytes) -> bytes:
    return put(b"Transfer-Encoding: chunked", body=body)


SIZES = (
    _passes("none", END, b""),
    _passes("several", b"2\r\nhe\r\n3\r\nllo\r\n" + END),
    _passes("sizes-in-capitals", b"A\r\n0123456789\r\n" + END, b"0123456789"),
    _passes("size-ten-is-no-decimal", b"10\r\n0123456789abcdef\r\n" + END, b"0123456789abcdef"),
    _passes("size-with-leading-zeros", b"00000005\r\nhello\r\n" + END),
    _passes("last-of-many-zeros", b"5\r\nhello\r\n0000000\r\n\r\n"),
    _passes("line-ends-as-data", b"5\r\n\r\n0\r\n\r\n" + END, b"\r\n0\r\n"),
    _passes("end-as-data", b"5\r\n0\r\n\r\n\r\n" + END, b"0\r\n\r\n"),
    _passes(
        "request-as-data",
        b"%x\r\n%b\r\n" % (len(INNER), INNER) + END,
        INNER,
    ),
    _refused("size-empty", b"\r\nhello\r\n" + END),
    _refused("size-after-space", b" 5\r\nhello\r\n" + END),
    _refused("size-before-space", b"5 \r\nhello\r\n" + END),
    _refused("size-before-tab", b"5\t\r\nhello\r\n" + END),
    _refused("size-with-plus", b"+5\r\nhello\r\n" + END),
    _refused("size-with-minus", b"-5\r\nhello\r\n" + END),
    _refused("size-with-0x", b"0x5\r\nhello\r\n" + END),
    _refused("size-with-underscore", b"0_5\r\nhello\r\n" + END),
    _refused("size-with-comma", b"5,5\r\nhello\r\n" + END),
    _refused("size-with-nul", b"5\x00\r\nhello\r\n" + END),
    _refused("size-in-letters", b"five\r\nhello\r\n" + END),
    _refused("size-in-full-width-digits", b"\xef\xbc\x95\r\nhello\r\n" + END),
    _refused("size-past-64-bits", b"10000000000000005\r\nhello\r\n" + END),
    _refused("size-of-64-bits", b"FFFFFFFFFFFFFFFF\r\nhello\r\n" + END),
    _refused("size-of-many-digits", b"0" * 5000 + b"5\r\nhello\r\n" + END),
    _refused("size-too-small", b"4\r\nhello\r\n" + END),
    _refused("size-too-large", b"6\r\nhello\r\n" + END + SMUGGLED),
    _unfinished("size-far-too-large", b"FFFF\r\nhello\r\n" + END),
)

LINES = (
    _refused("size-and-bare-lf", b"5\nhello\r\n" + END),
    _refused("size-and-bare-cr", b"5\rhello\r\n" + END),
    _refused("size-and-cr-cr-lf", b"5\r\r\nhello\r\n" + END),
    _refused("data-and-bare-lf", b"5\r\nhello\n" + END),
    _refused("data-and-bare-cr", b"5\r\nhello\r" + END),
    _refused("data-without-line-end", b"5\r\nhello" + END),
    _refused("data-and-other-bytes", b"5\r\nhelloXX" + END),
    _refused("data-and-two-line-ends", b"5\r\nhello\r\n\r\n" + END),
    _refused("last-and-bare-lf", b"5\r\nhello\r\n0\n\r\n"),
    _refused("end-in-bare-lf", b"5\r\nhello\r\n0\r\n\n"),
    _refused("end-in-bare-cr", b"5\r\nhello\r\n0\r\n\r"),
    _unfinished("no-last", b"5\r\nhello\r\n"),
    _unfinished("last-without-end", b"5\r\nhello\r\n0\r\n"),
    _unfinished("last-without-line-end", b"5\r\nhello\r\n0"),
)

EXTENSIONS = (
    _passes("extension", b"5;a=b\r\nhello\r\n" + END),
    _passes("extension-in-quotes", b'5;a="b;c"\r\nhello\r\n' + END),
    _passes("extension-without-value", b"5;a\r\nhello\r\n" + END),
    _passes("extension-of-the-last", b"5\r\nhello\r\n0;a=b\r\n\r\n"),
    _refused("extension-with-bare-lf", b"5;a\nhello\r\n" + END),
    _refused("extension-with-cr", b"5;a\rb\r\nhello\r\n" + END),
    _refused("extension-with-nul", b"5;\x00\r\nhello\r\n" + END),
    _refused("extension-in-quotes-with-lf", b'5;a="\n"\r\nhello\r\n' + END),
    _refused("extension-too-long", b"5;" + b"a" * 5000 + b"\r\nhello\r\n" + END),
    _refused(
        "extension-hides-an-end",  # a reader to whom LF ends the line sees a last chunk in it
        b"2;\nxx\r\n45\r\n0\r\n\r\n" + SMUGGLED,
    ),
)

TRAILERS = (
    _passes("trailer", b"5\r\nhello\r\n0\r\nX-Sum: spoofed\r\n\r\n"),
    _passes("trailers", b"5\r\nhello\r\n0\r\nX-A: spoofed\r\nX-B: spoofed\r\n\r\n"),
    _refused("trailer-with-length", b"5\r\nhello\r\n0\r\nContent-Length: 99\r\n\r\n"),
    _passes(
        "trailer-with-credentials",
        b"5\r\nhello\r\n0\r\nAuthorization: spoofed\r\nX-Forwarded-For: spoofed\r\n\r\n",
    ),
    _refused("trailer-without-colon", b"5\r\nhello\r\n0\r\nX-A\r\n\r\n"),
    _refused("trailer-with-space-before-colon", b"5\r\nhello\r\n0\r\nX-A : b\r\n\r\n"),
    _refused("trailer-with-bare-lf", b"5\r\nhello\r\n0\r\nX-A: b\n\r\n"),
    _refused("trailer-folded", b"5\r\nhello\r\n0\r\nX-A: b\r\n c\r\n\r\n"),
    _refused("trailer-with-nul", b"5\r\nhello\r\n0\r\nX-A: \x00\r\n\r\n"),
    _refused("trailer-too-long", b"5\r\nhello\r\n0\r\n" + b"X-A: b\r\n" * 4000 + b"\r\n"),
    _refused("request-as-trailer", b"5\r\nhello\r\n0\r\n" + SMUGGLED),
)

AFTER = (
    Case(
        "chunks-then-a-request",
        _chunked(b"5\r\nhello\r\n" + END + SMUGGLED),
        (HELLO, SMUGGLED_PASSES),
    ),
    Case("chunks-then-junk", _chunked(b"5\r\nhello\r\n" + END + b"junk"), (HELLO, MALFORMED)),
    Case(
        "chunks-then-empty-lines",
        _chunked(b"5\r\nhello\r\n" + END + b"\r\n\r\n"),
        (HELLO,),
        apart=NO_EMPTY_LINE,
    ),
    Case("chunks-ended-twice", _chunked(b"5\r\nhello\r\n" + END + END), (HELLO, MALFORMED)),
)

CASES = (*SIZES, *LINES, *EXTENSIONS, *TRAILERS, *AFTER)
