"""The request line and what stands around it: methods, versions, targets."""

from __future__ import annotations

from collections.abc import Mapping

from tests.support.corpus.case import (
    AMBIGUOUS,
    AUTHORIZATION,
    LOOKED_UP,
    LOOKUP,
    MALFORMED,
    NO_EMPTY_LINE,
    SMUGGLED,
    UNCLEAR_PATH,
    Case,
    Reading,
    Refused,
    Server,
    by_mlflow,
    message,
)

NO_SUCH_VERSION = Refused(505, "request_malformed")
NO_SUCH_METHOD = Refused(501, "request_malformed")
NOT_SERVED = Refused(405, "request_malformed")
BAD_TARGET = Refused(400, "request_malformed")
NO_ROUTE = Refused(404, "route_unknown", closes=False)


def _raw(
    name: str, line: bytes, *made: Reading | Refused, apart: Mapping[Server, str] | None = None
) -> Case:
    """A request whose whole first line, with its line end, is ``line``."""
    sent = line + b"Host: localhost\r\n" + AUTHORIZATION + b"\r\n\r\n"
    return Case(f"line-{name}", sent, made or (MALFORMED,), apart=apart or {})


def _version(name: str, text: bytes, *made: Refused) -> Case:
    return _raw(f"version-{name}", b"GET " + LOOKUP + b" " + text + b"\r\n", *made)


def _method(name: str, method: bytes, *made: Reading | Refused) -> Case:
    return Case(f"method-{name}", message(method + b" " + LOOKUP), made or (MALFORMED,))


ROOM = (
    _raw("two-spaces", b"GET  " + LOOKUP + b" HTTP/1.1\r\n"),
    _raw("two-spaces-before-version", b"GET " + LOOKUP + b"  HTTP/1.1\r\n"),
    _raw("tab", b"GET\t" + LOOKUP + b" HTTP/1.1\r\n"),
    _raw("tab-before-version", b"GET " + LOOKUP + b"\tHTTP/1.1\r\n"),
    _raw("vertical-tab", b"GET\x0b" + LOOKUP + b" HTTP/1.1\r\n"),
    _raw("space-at-the-end", b"GET " + LOOKUP + b" HTTP/1.1 \r\n"),
    _raw("space-at-the-begin", b" GET " + LOOKUP + b" HTTP/1.1\r\n"),
    _raw(
        "empty-line-before", b"\r\nGET " + LOOKUP + b" HTTP/1.1\r\n", LOOKED_UP, apart=NO_EMPTY_LINE
    ),
    _raw(
        "empty-lines-before",
        b"\r\n\r\nGET " + LOOKUP + b" HTTP/1.1\r\n",
        LOOKED_UP,
        apart=NO_EMPTY_LINE,
    ),
    _raw("lf-before", b"\nGET " + LOOKUP + b" HTTP/1.1\r\n"),
    _raw("cr-before", b"\rGET " + LOOKUP + b" HTTP/1.1\r\n"),
    _raw("lf-before-an-empty-line", b"\n\r\nGET " + LOOKUP + b" HTTP/1.1\r\n"),
    _raw("cr-before-an-empty-line", b"\r\r\nGET " + LOOKUP + b" HTTP/1.1\r\n"),
    _raw("empty-line-and-lf-before", b"\r\n\nGET " + LOOKUP + b" HTTP/1.1\r\n"),
    _raw("bare-lf", b"GET " + LOOKUP + b" HTTP/1.1\n"),
    _raw("bare-cr", b"GET " + LOOKUP + b" HTTP/1.1\r"),
    _raw("cr-cr-lf", b"GET " + LOOKUP + b" HTTP/1.1\r\r\n"),
    _raw("space-in-target", b"GET /version?a b HTTP/1.1\r\n"),
    _raw("tab-in-target", b"GET /version?a\tb HTTP/1.1\r\n"),
    _raw("nul-in-target", b"GET /version?a\x00b HTTP/1.1\r\n"),
    _raw("control-in-target", b"GET /version?a\x01b HTTP/1.1\r\n"),
    _raw("delete-in-target", b"GET /version?a\x7fb HTTP/1.1\r\n"),
    _raw("latin-1-in-query", b"GET /version?a\xe9b HTTP/1.1\r\n"),
    _raw("utf-8-in-path", "GET /static-files/ü HTTP/1.1\r\n".encode()),
    _raw("lf-in-target", b"GET /version?a\nb HTTP/1.1\r\n"),
    _raw("cr-in-target", b"GET /version?a\rb HTTP/1.1\r\n"),
    _raw("two-requests", b"GET /version HTTP/1.1 GET /version HTTP/1.1\r\n"),
    _raw(
        "version-in-target",
        b"GET /version?HTTP/1.1 HTTP/1.1\r\n",
        Reading(b"GET", b"/version?HTTP/1.1"),
    ),
    _raw("no-target", b"GET HTTP/1.1\r\n"),
    _raw("no-method", b"/version HTTP/1.1\r\n"),
    _raw("nothing-but-a-version", b"HTTP/1.1\r\n"),
    _raw("answer", b"HTTP/1.1 200 OK\r\n"),
    _raw("nul-first", b"\x00GET " + LOOKUP + b" HTTP/1.1\r\n"),
    Case(
        "line-of-tls", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n", (MALFORMED,)
    ),
    _raw(
        "of-120-kib",
        b"GET /version?" + b"a" * 120 * 1024 + b" HTTP/1.1\r\n",
        Reading(b"GET", b"/version?" + b"a" * 120 * 1024),
        apart=by_mlflow("it takes 64 KiB of target"),
    ),
    _raw(
        "of-200-kib",
        b"GET /version?" + b"a" * 200 * 1024 + b" HTTP/1.1\r\n",
        Refused(414, "request_malformed"),
    ),
)

VERSIONS = (
    Case("version-0.9", b"GET " + LOOKUP + b"\r\n\r\n", (NO_SUCH_VERSION,)),
    _version("0.9-in-words", b"HTTP/0.9", NO_SUCH_VERSION),
    _version("2.0", b"HTTP/2.0", NO_SUCH_VERSION),
    _version("1.2", b"HTTP/1.2"),
    _version("3.0", b"HTTP/3.0"),
    _version("1.10", b"HTTP/1.10"),
    _version("01.1", b"HTTP/01.1"),
    _version("1", b"HTTP/1"),
    _version("1.", b"HTTP/1."),
    _version("11", b"HTTP/11"),
    _version("1,1", b"HTTP/1,1"),
    _version("with-minus", b"HTTP/1.-1"),
    _version("with-sign", b"HTTP/+1.1"),
    _version("in-lower-case", b"http/1.1"),
    _version("with-space", b"HTTP /1.1"),
    _version("with-space-inside", b"HTTP/ 1.1"),
    _version("https", b"HTTPS/1.1"),
    _version("without-name", b"/1.1"),
    _version("rtsp", b"RTSP/1.0", NO_SUCH_VERSION),
    _version("ice", b"ICE/1.0"),
    Case("version-preface-of-2.0", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (NO_SUCH_VERSION,)),
    Case(
        "version-1.0",
        b"GET %b HTTP/1.0\r\nHost: localhost\r\n%b\r\n\r\n" % (LOOKUP, AUTHORIZATION),
        (LOOKED_UP,),
        closes=True,
    ),
    Case(
        "version-1.0-then-a-request",
        b"GET %b HTTP/1.0\r\nHost: localhost\r\n%b\r\n\r\n" % (LOOKUP, AUTHORIZATION) + SMUGGLED,
        (LOOKED_UP,),
        closes=True,
    ),
    Case(
        "version-1.0-without-host",
        b"GET %b HTTP/1.0\r\n%b\r\n\r\n" % (LOOKUP, AUTHORIZATION),
        (LOOKED_UP,),
        closes=True,
        apart=by_mlflow("its own check of the host"),
    ),
    Case(
        "version-1.0-kept-alive",
        b"GET %b HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n%b\r\n\r\n"
        % (LOOKUP, AUTHORIZATION),
        (LOOKED_UP,),
        apart=by_mlflow("it keeps no connection of HTTP/1.0"),
    ),
)

METHODS = (
    _method("webdav", b"PROPFIND", NOT_SERVED),
    _method("with-dash", b"M-SEARCH", NOT_SERVED),
    _method("connect", b"CONNECT", NOT_SERVED),
    _method("trace", b"TRACE", NOT_SERVED),
    _method("unknown", b"FROB", NO_SUCH_METHOD),
    _method("with-more-behind", b"GETX", NO_SUCH_METHOD),
    _method("in-lower-case", b"get"),
    _method("in-mixed-case", b"Get", NO_SUCH_METHOD),
    _method("with-colon", b"GET:"),
    _method("with-nul", b"G\x00ET"),
    _method("in-latin-1", b"G\xcbT"),
    _method("long", b"A" * 5000, NO_SUCH_METHOD),
    Case("method-connect-to-an-authority", message(b"CONNECT gate.example:443"), (NOT_SERVED,)),
    Case("method-options-of-all", message(b"OPTIONS *"), (BAD_TARGET,)),
)


def _path(
    name: str, path: bytes, *made: Reading | Refused, apart: Mapping[Server, str] | None = None
) -> Case:
    """A path is judged when the request is whole, so the connection can be kept."""
    return Case(f"path-{name}", message(b"GET " + path), made or (UNCLEAR_PATH,), apart=apart or {})


def _file(name: str, path: bytes, canonical: bytes | None = None) -> Case:
    """The name of an artifact that must work."""
    base = b"/api/2.0/mlflow-artifacts/artifacts/corpus/"
    reading = Reading(b"GET", base + (canonical if canonical is not None else path))
    return Case(f"artifact-{name}", message(b"GET " + base + path), (reading,))


ABSOLUTE = by_mlflow("it does not know the absolute form, which RFC 9112 section 3.2.2 asks for")
ABSOLUTE_H11 = {Server.MLFLOW_H11: ABSOLUTE[Server.MLFLOW_H11]}
PREFIX = dict.fromkeys(Server, "only the gate has a prefix")

FORMS = (
    _path("absolute", b"http://localhost" + LOOKUP, LOOKED_UP, apart=ABSOLUTE_H11),
    _path("absolute-in-capitals", b"HTTP://LOCALHOST" + LOOKUP, LOOKED_UP, apart=ABSOLUTE_H11),
    _path("absolute-https", b"https://localhost" + LOOKUP, LOOKED_UP, apart=ABSOLUTE_H11),
    _path("absolute-without-path", b"http://localhost", Reading(b"GET", b"/"), apart=ABSOLUTE),
    _path(
        "absolute-with-query-alone",
        b"http://localhost?a=b",
        Reading(b"GET", b"/?a=b"),
        apart=ABSOLUTE,
    ),
    _path("absolute-of-another", b"http://gate.example" + LOOKUP, AMBIGUOUS),
    _path("absolute-with-port", b"http://localhost:80" + LOOKUP, AMBIGUOUS),
    _path("absolute-with-user", b"http://user@localhost" + LOOKUP, AMBIGUOUS),
    _path("absolute-with-longer-name", b"http://localhost.gate.example" + LOOKUP, AMBIGUOUS),
    _path("absolute-without-authority", b"http://" + LOOKUP, BAD_TARGET),
    _path("absolute-of-another-scheme", b"ftp://localhost" + LOOKUP, BAD_TARGET),
    _path("absolute-of-a-file", b"file:///etc/passwd", BAD_TARGET),
    _path("with-two-slashes", b"//localhost" + LOOKUP),
    _path("authority", b"localhost:443", MALFORMED),
    _path("relative", b"version", MALFORMED),
    _path("query-alone", b"?a=b", MALFORMED),
    _path("asterisk", b"*", BAD_TARGET),
)

PATHS = (
    _path("dot", b"/./version"),
    _path("dots", b"/api/../version"),
    _path("dots-at-the-end", b"/version/.."),
    _path("dots-encoded", b"/api/%2e%2e/version"),
    _path("dots-half-encoded", b"/api/.%2E/version"),
    _path("dots-encoded-twice", b"/api/%252e%252e/version"),
    _path("dots-encoded-thrice", b"/api/%25252e%25252e/version"),
    _path("dots-over-prefix", b"/mlflow/../version"),
    _path("dots-and-semicolon", b"/api/..;/version"),
    _path("slashes", b"//version"),
    _path("slashes-inside", b"/api//2.0/mlflow/experiments/get"),
    _path("slash-encoded", b"/api%2f2.0/mlflow/experiments/get"),
    _path("slash-encoded-twice", b"/api%252f2.0/mlflow/experiments/get"),
    _path("slash-encoded-first", b"/%2fversion"),
    _path("slash-encoded-after-prefix", b"/mlflow%2fversion"),
    _path("backslash", b"/api\\2.0"),
    _path("backslash-encoded", b"/api/..%5cversion"),
    _path("nul-encoded", b"/version%00"),
    _path("line-end-encoded", b"/version%0d%0aX-A:%20b"),
    _path("tab-encoded", b"/version%09"),
    _path("delete-encoded", b"/version%7f"),
    _path("semicolon", b"/version;a=b"),
    _path("semicolon-encoded", b"/version%3ba=b"),
    _path("percent-alone", b"/static-files/100%"),
    _path("percent-and-letters", b"/static-files/%zz"),
    _path("percent-and-one-digit", b"/static-files/%4"),
    _path("percent-u", b"/static-files/%u002e"),
    _path("overlong-utf-8", b"/static-files/%c0%ae"),
    _path("surrogate", b"/static-files/%ed%a0%80"),
    _path("latin-1", b"/static-files/%e9"),
    _path("fragment", b"/version#a"),
    _path("fragment-in-query", b"/version?a#b"),
    _path("letter-encoded", b"/%76ersion", Reading(b"GET", b"/version")),
    _path("in-capitals", b"/VERSION", NO_ROUTE),
    _path("slash-at-the-end", b"/version/", NO_ROUTE),
    _path("under-prefix", b"/mlflow/version", Reading(b"GET", b"/version"), apart=PREFIX),
    _path("under-long-prefix", b"/api/mlflow/version", Reading(b"GET", b"/version"), apart=PREFIX),
    _path("under-prefix-twice", b"/mlflow/mlflow/version", NO_ROUTE),
    _path("under-encoded-prefix", b"/%6dlflow/version", Reading(b"GET", b"/version"), apart=PREFIX),
    _file("with-space", b"a%20b"),
    _file("with-plus", b"a+b"),
    _file("with-hash", b"a%23b"),
    _file("with-question-mark", b"a%3Fb"),
    _file("with-percent", b"100%25"),
    _file("with-umlaut", b"%C3%BC"),
    _file("with-umlaut-in-lower-case", b"%c3%bc", b"%C3%BC"),
    _file("with-tilde", b"%7Ea", b"~a"),
    _file("with-brackets", b"a%5B1%5D"),
    _file("with-every-sub-delimiter", b"a!$&'()*+,=:@b"),
    _file("of-two-dots-and-more", b"..a"),
)

QUERIES = (
    _path(
        "query-with-encoded-slash",
        b"/version?path=1%2F..%2Fartifacts",
        Reading(b"GET", b"/version?path=1%2F..%2Fartifacts"),
    ),
    _path(
        "query-with-repeated-keys",
        b"/version?a=2&b=1&a=1",
        Reading(b"GET", b"/version?a=2&b=1&a=1"),
    ),
    _path("query-of-question-marks", b"/version???", Reading(b"GET", b"/version???")),
    _path("query-empty", b"/version?", Reading(b"GET", b"/version?")),
    _path(
        "query-with-url",
        b"/version?u=http://gate.example/..//",
        Reading(b"GET", b"/version?u=http://gate.example/..//"),
    ),
    _path("query-with-broken-escape", b"/version?a=%zz%", Reading(b"GET", b"/version?a=%zz%")),
    _path(
        "query-with-line-end-encoded", b"/version?a=%0d%0ab", Reading(b"GET", b"/version?a=%0d%0ab")
    ),
    _path(
        "query-with-odd-characters",
        b"/version?a=\"<>\\^`{|}'",
        Reading(b"GET", b"/version?a=\"<>\\^`{|}'"),
    ),
)

CASES = (*ROOM, *VERSIONS, *METHODS, *FORMS, *PATHS, *QUERIES)
