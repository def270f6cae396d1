"""Where the body ends: Content-Length and Transfer-Encoding, alone and against each other."""

from __future__ import annotations

from tests.support.corpus.case import (
    AMBIGUOUS,
    ASKED,
    AUTHORIZATION,
    FILE,
    HEAD_APART,
    INNER,
    LOOKED_UP,
    LOOKUP,
    MALFORMED,
    RUN,
    RUN_MESSAGE,
    SMUGGLED,
    SMUGGLED_PASSES,
    Case,
    Reading,
    Server,
    by_mlflow,
    lookup,
    message,
    post,
    put,
    stored,
)

LENGTH = b"Content-Length: %d" % len(RUN_MESSAGE)
CHUNKED = b"Transfer-Encoding: chunked"
MODEL = b"/api/2.0/mlflow/registered-models/"
MODEL_MESSAGE = b'{"name": "no-model"}'
MODEL_LENGTH = b"Content-Length: %d" % len(MODEL_MESSAGE)
FIVE = b"5\r\nhello\r\n0\r\n\r\n"
ENDED = b"0\r\n\r\n" + SMUGGLED  # a whole chunked body, and what a reader of lengths sees in it
FLASK_DROPS = by_mlflow("its WSGI bridge drops a chunked body")
NO_TAB = {Server.NGINX: "it knows no white space but the space"}


def _length(name: str, value: bytes, *, passes: bool = False) -> Case:
    """A body of five bytes whose length is spelled as ``value``."""
    sent = put(b"Content-Length:" + value, body=b"hello")
    made = stored(b"hello") if passes else MALFORMED
    return Case(f"length-{name}", sent, (made,), apart=NO_TAB if b"\t" in value else {})


def _coding(name: str, value: bytes, *, passes: bool = False) -> Case:
    """A chunked body whose coding is spelled as ``value``."""
    sent = put(b"Transfer-Encoding:" + value, body=FIVE)
    made = stored(b"hello") if passes else MALFORMED
    return Case(f"coding-{name}", sent, (made,), apart=NO_TAB if b"\t" in value else {})


def _both(name: str, *lines: bytes) -> Case:
    """Both framings, each of which ends the body elsewhere."""
    return Case(f"both-{name}", post(*lines, body=ENDED), (MALFORMED,))


LENGTHS = (
    Case("length", post(LENGTH), (ASKED,)),
    Case("length-in-lower-case", post(LENGTH.lower()), (ASKED,)),
    Case("length-in-upper-case", post(LENGTH.upper()), (ASKED,)),
    Case("length-zero", post(b"Content-Length: 0", body=b""), (Reading(b"POST", RUN),)),
    Case("no-framing", post(body=b""), (Reading(b"POST", RUN),)),
    Case("no-framing-but-a-body", post(body=SMUGGLED), (Reading(b"POST", RUN), SMUGGLED_PASSES)),
    Case(
        "length-short",
        post(LENGTH, body=RUN_MESSAGE + SMUGGLED),
        (ASKED, SMUGGLED_PASSES),
    ),
    Case("length-shorter-than-junk", post(LENGTH, body=RUN_MESSAGE + b"junk"), (ASKED, MALFORMED)),
    Case(
        "length-zero-before-junk",
        post(b"Content-Length: 0", body=b"\x00\x01"),
        (Reading(b"POST", RUN), MALFORMED),
    ),
    Case("length-long", post(b"Content-Length: 9999"), unfinished=True),
    Case(
        "length-covers-a-request",
        put(b"Content-Length: %d" % len(INNER), body=INNER),
        (stored(INNER),),
    ),
    _length("without-space", b"5", passes=True),
    _length("between-spaces", b" \t 5 \t ", passes=True),
    _length("with-leading-zeros", b" 0000000005", passes=True),
    _length("with-plus", b" +5"),
    _length("with-minus", b" -5"),
    _length("hexadecimal", b" 0x5"),
    _length("octal", b" 0o5"),
    _length("with-underscore", b" 0_5"),
    _length("with-exponent", b" 5e0"),
    _length("with-fraction", b" 5.0"),
    _length("in-words", b" five"),
    _length("in-quotes", b' "5"'),
    _length("in-arabic-digits", b" \xd9\xa5"),
    _length("in-full-width-digits", b" \xef\xbc\x95"),
    _length("of-two-numbers", b" 5 5"),
    _length("list-of-the-same", b" 5, 5"),
    _length("list-of-different", b" 5, 6"),
    _length("with-comma", b" 5,"),
    _length("with-semicolon", b" 5;"),
    _length("empty", b""),
    _length("blank", b"  "),
    _length("with-nul", b" 5\x00"),
    _length("with-vertical-tab", b" 5\x0b"),
    _length("after-form-feed", b" \x0c5"),
    _length("with-bare-cr", b" 5\r"),
    _length("past-64-bits", b" 18446744073709551621"),
    _length("of-many-digits", b" " + b"9" * 400),
    Case("length-of-63-bits", put(b"Content-Length: %d" % (2**63), body=b"x"), unfinished=True),
    Case("length-twice-the-same", post(LENGTH, LENGTH), (MALFORMED,)),
    Case("length-twice-short-first", post(b"Content-Length: 0", LENGTH), (MALFORMED,)),
    Case("length-twice-long-first", post(LENGTH, b"Content-Length: 0"), (MALFORMED,)),
    Case("length-twice-in-two-cases", post(LENGTH, LENGTH.lower()), (MALFORMED,)),
    Case("length-with-space-before-colon", post(LENGTH.replace(b":", b" :")), (MALFORMED,)),
    Case("length-with-tab-before-colon", post(LENGTH.replace(b":", b"\t:")), (MALFORMED,)),
    Case("length-with-nul-before-colon", post(LENGTH.replace(b":", b"\x00:")), (MALFORMED,)),
    Case(
        "length-with-underscore-is-no-length",
        post(b"Content_Length: %d" % len(SMUGGLED), body=SMUGGLED),
        (Reading(b"POST", RUN), SMUGGLED_PASSES),
    ),
    Case("length-folded", post(b"Content-Length:\r\n 19"), (MALFORMED,)),
    Case("length-listed-by-connection", post(LENGTH, b"Connection: content-length"), (AMBIGUOUS,)),
    Case("length-after-bare-cr", post(b"X-A: b\rContent-Length: 19"), (MALFORMED,)),
    Case("length-after-bare-lf", post(b"X-A: b\nContent-Length: 19"), (MALFORMED,)),
)

CODINGS = (
    Case("chunked", put(CHUNKED, body=FIVE), (stored(b"hello"),)),
    Case(
        "chunked-to-flask",
        post(CHUNKED, body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(RUN_MESSAGE), RUN_MESSAGE)),
        (ASKED,),
        apart=FLASK_DROPS,
    ),
    Case(
        "chunked-to-flask-without-data",
        post(CHUNKED, body=b"0\r\n\r\n"),
        (Reading(b"POST", RUN),),
    ),
    _coding("in-capitals", b" CHUNKED", passes=True),
    _coding("without-space", b"chunked", passes=True),
    _coding("after-tab", b"\tchunked", passes=True),
    _coding("before-space", b" chunked ", passes=True),
    _coding("before-tab", b" chunked\t"),
    _coding("empty", b""),
    _coding("identity", b" identity"),
    _coding("gzip", b" gzip"),
    _coding("gzip-and-chunked", b" gzip, chunked"),
    _coding("chunked-and-identity", b" chunked, identity"),
    _coding("chunked-and-gzip", b" chunked, gzip"),
    _coding("chunked-twice-in-a-list", b" chunked, chunked"),
    _coding("with-comma-behind", b" chunked,"),
    _coding("with-comma-before", b" ,chunked"),
    _coding("with-x", b" xchunked"),
    _coding("with-x-behind", b" chunkedx"),
    _coding("cut", b" chunke"),
    _coding("cow", b" cow"),
    _coding("in-quotes", b' "chunked"'),
    _coding("with-parameter", b" chunked;a=b"),
    _coding("after-vertical-tab", b" \x0bchunked"),
    _coding("before-vertical-tab", b" chunked\x0b"),
    _coding("after-nul", b" \x00chunked"),
    _coding("after-bare-cr", b" \rchunked"),
    _coding("folded", b"\r\n chunked"),
    _coding("of-two-words", b" chunked chunked"),
    _coding("in-latin-1", b" \xffchunked"),
    Case("chunked-twice", put(CHUNKED, CHUNKED, body=FIVE), (MALFORMED,)),
    Case(
        "identity-then-chunked",
        put(b"Transfer-Encoding: identity", CHUNKED, body=FIVE),
        (MALFORMED,),
    ),
    Case(
        "chunked-then-identity",
        put(CHUNKED, b"Transfer-Encoding: identity", body=FIVE),
        (MALFORMED,),
    ),
    Case(
        "chunked-with-space-before-colon",
        put(b"Transfer-Encoding : chunked", body=FIVE),
        (MALFORMED,),
    ),
    Case(
        "chunked-with-tab-before-colon",
        put(b"Transfer-Encoding\t: chunked", body=FIVE),
        (MALFORMED,),
    ),
    Case(
        "chunked-after-a-space",
        put(b"X-A: b", b" Transfer-Encoding: chunked", body=FIVE),
        (MALFORMED,),
    ),
    Case(
        "chunked-with-underscore-is-no-coding",
        post(b"Transfer_Encoding: chunked", LENGTH),
        (ASKED,),
        apart=by_mlflow("its WSGI bridge takes it for Transfer-Encoding and drops the body"),
    ),
    Case(
        "chunked-listed-by-connection",
        put(CHUNKED, b"Connection: transfer-encoding", body=FIVE),
        (AMBIGUOUS,),
    ),
    Case("chunked-after-bare-lf", put(b"X-A: b\n" + CHUNKED, body=FIVE), (MALFORMED,)),
    Case("chunked-after-bare-cr", put(b"X-A: b\r" + CHUNKED, body=FIVE), (MALFORMED,)),
    Case(
        "chunked-in-http-1.0",
        b"PUT %b HTTP/1.0\r\nHost: localhost\r\n%b\r\n%b\r\n\r\n%b"
        % (FILE, AUTHORIZATION, CHUNKED, FIVE),
        (AMBIGUOUS,),
    ),
)

BOTH = (
    _both("length-first", b"Content-Length: 5", CHUNKED),
    _both("coding-first", CHUNKED, b"Content-Length: 5"),
    _both("length-of-all", b"Content-Length: %d" % len(ENDED), CHUNKED),
    _both("length-of-nothing", b"Content-Length: 0", CHUNKED),
    _both("coding-unknown", b"Content-Length: 5", b"Transfer-Encoding: x"),
    _both("coding-identity", b"Content-Length: 5", b"Transfer-Encoding: identity"),
    _both("coding-empty", b"Content-Length: 5", b"Transfer-Encoding:"),
    _both("coding-with-space-before-colon", b"Content-Length: 5", b"Transfer-Encoding : chunked"),
    _both("coding-behind-vertical-tab", b"Content-Length: 5", b"Transfer-Encoding:\x0bchunked"),
    _both("coding-folded", b"Content-Length: 5", b"Transfer-Encoding:\r\n chunked"),
    _both("coding-after-bare-cr", b"Content-Length: 5", b"X-A: b\r" + CHUNKED),
    _both("coding-after-bare-lf", b"Content-Length: 5", b"X-A: b\n" + CHUNKED),
    _both("coding-in-two-fields", b"Content-Length: 5", CHUNKED, b"Transfer-Encoding: x"),
    _both("length-twice", b"Content-Length: 5", b"Content-Length: 6", CHUNKED),
)

BODILESS = (
    Case("get-with-length", lookup(b"Content-Length: 5") + b"hello", (AMBIGUOUS,)),
    Case("get-with-length-zero", lookup(b"Content-Length: 0"), (LOOKED_UP,)),
    Case("get-chunked", lookup(CHUNKED) + FIVE, (AMBIGUOUS,)),
    Case("get-chunked-without-data", lookup(CHUNKED) + b"0\r\n\r\n", (AMBIGUOUS,)),
    Case("get-hides-a-request", lookup(b"Content-Length: %d" % len(INNER)) + INNER, (AMBIGUOUS,)),
    Case(
        "head-with-length",
        message(b"HEAD " + LOOKUP, b"Content-Length: 1", body=b"x"),
        (AMBIGUOUS,),
    ),
    Case("head", message(b"HEAD " + LOOKUP), (LOOKED_UP,), asks_head=True, apart=HEAD_APART),
    Case(
        "delete-with-body",
        message(b"DELETE " + MODEL + b"delete", MODEL_LENGTH, body=MODEL_MESSAGE),
        (Reading(b"DELETE", MODEL + b"delete", MODEL_MESSAGE),),
    ),
    Case(
        "delete-chunked",
        message(
            b"DELETE " + MODEL + b"delete",
            CHUNKED,
            body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(MODEL_MESSAGE), MODEL_MESSAGE),
        ),
        (Reading(b"DELETE", MODEL + b"delete", MODEL_MESSAGE),),
        apart=FLASK_DROPS,
    ),
    Case(
        "patch-with-body",
        message(b"PATCH " + MODEL + b"update", MODEL_LENGTH, body=MODEL_MESSAGE),
        (Reading(b"PATCH", MODEL + b"update", MODEL_MESSAGE),),
    ),
)

CASES = (*LENGTHS, *CODINGS, *BOTH, *BODILESS)
