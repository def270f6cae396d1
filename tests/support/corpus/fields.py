"""Header lines: their grammar, who may say what, and what stays on one hop."""

from __future__ import annotations

from collections.abc import Mapping

from tests.support.corpus.case import (
    AMBIGUOUS,
    ASKED,
    AUTHORIZATION,
    LOOKED_UP,
    LOOKUP,
    MALFORMED,
    RUN_MESSAGE,
    SMUGGLED,
    SMUGGLED_PASSES,
    Case,
    Refused,
    Server,
    by_mlflow,
    lookup,
    message,
    post,
)

LENGTH = b"Content-Length: %d" % len(RUN_MESSAGE)
TOO_MUCH = Refused(431, "request_malformed")
UPGRADES = {Server.MLFLOW_HTTPTOOLS: "llhttp reads no HTTP behind an Upgrade"}


def _passes(name: str, *lines: bytes, apart: Mapping[Server, str] | None = None) -> Case:
    """Whatever holds the word ``spoofed`` must not travel on."""
    return Case(f"field-{name}", lookup(*lines), (LOOKED_UP,), apart=apart or {})


def _malformed(name: str, *lines: bytes) -> Case:
    return Case(f"field-{name}", lookup(*lines), (MALFORMED,))


def _ambiguous(name: str, *lines: bytes) -> Case:
    return Case(f"field-{name}", lookup(*lines), (AMBIGUOUS,))


GRAMMAR = (
    _passes("empty", b"X-A:"),
    _passes("blank", b"X-A: \t "),
    _passes("without-space", b"X-A:b"),
    _passes("with-tab-inside", b"X-A: b\tc"),
    _passes("in-latin-1", b"X-A: \xe9\xff"),
    _passes("in-utf-8", "X-A: ü\N{SNOWMAN}".encode()),
    _passes("with-colons", b"X-A: b: c: d"),
    _passes("with-every-token-character", b"!#$%&'*+-.^_`|~09AZaz: b"),
    _passes("that-looks-like-a-request", b"X-A: GET /version HTTP/1.1"),
    _passes(
        "of-100-kib",
        b"X-A: " + b"b" * 100 * 1024,
        apart={Server.MLFLOW_H11: "h11 holds 64 KiB of a head"},
    ),
    _passes("150-of-them", *(b"X-%d: b" % n for n in range(150))),
    Case("field-of-200-kib", lookup(b"X-A: " + b"b" * 200 * 1024), (TOO_MUCH,)),
    Case("field-300-of-them", lookup(*(b"X-%d: b" % n for n in range(300))), (TOO_MUCH,)),
    _malformed("folded", b"X-A: b", b" c"),
    _malformed("folded-with-tab", b"X-A: b", b"\tc"),
    _malformed("folded-empty", b"X-A: b", b" "),
    _malformed("folded-to-begin", b"X-A:", b" b"),
    _malformed("space-before-colon", b"X-A : b"),
    _malformed("tab-before-colon", b"X-A\t: b"),
    _malformed("without-colon", b"X-A"),
    _malformed("without-name", b": b"),
    _malformed("with-space-in-name", b"X A: b"),
    _malformed("with-nul-in-name", b"X\x00A: b"),
    _malformed("with-control-in-name", b"X\x01A: b"),
    _malformed("with-latin-1-name", b"X\xe9A: b"),
    _malformed("with-parentheses-in-name", b"X(A): b"),
    _malformed("with-brackets-in-name", b"X[A]: b"),
    _malformed("with-quote-in-name", b'X"A: b'),
    _malformed("with-slash-in-name", b"X/A: b"),
    _malformed("with-at-in-name", b"X@A: b"),
    _malformed("with-nul", b"X-A: b\x00c"),
    _malformed("with-control", b"X-A: b\x01c"),
    _malformed("with-escape", b"X-A: b\x1b[0m"),
    _malformed("with-vertical-tab", b"X-A: b\x0bc"),
    _malformed("with-delete", b"X-A: b\x7fc"),
    _malformed("with-bare-cr", b"X-A: b\rc"),
    _malformed("with-bare-cr-at-the-end", b"X-A: b\r"),
    _malformed("with-bare-lf", b"X-A: b\nX-B: c"),
    _malformed("with-lf-cr", b"X-A: b\n\rX-B: c"),
    _malformed("with-an-empty-lf-line", b"X-A: b\n\n" + SMUGGLED),
    _malformed("with-an-empty-cr-line", b"X-A: b\r\r" + SMUGGLED),
    _malformed("with-cr-in-name", b"X\rA: b"),
)

ORIGIN = (
    _passes("forwarded-for", b"X-Forwarded-For: spoofed"),
    _passes("forwarded-for-twice", b"X-Forwarded-For: spoofed", b"X-Forwarded-For: spoofed"),
    _passes("forwarded-for-in-capitals", b"X-FORWARDED-FOR: spoofed"),
    _passes("forwarded-for-with-underscores", b"X_Forwarded_For: spoofed"),
    _passes("forwarded-for-with-dots", b"X.Forwarded.For: spoofed"),
    _passes("forwarded-for-mixed", b"x-Forwarded_for: spoofed"),
    _passes("forwarded-host", b"X-Forwarded-Host: spoofed", b"X-Forwarded-Server: spoofed"),
    _passes("forwarded-proto", b"X-Forwarded-Proto: spoofed", b"X-Forwarded-Port: spoofed"),
    _passes("forwarded-prefix", b"X-Forwarded-Prefix: spoofed", b"X-Forwarded-Path: spoofed"),
    _passes("forwarded-user", b"X-Forwarded-User: spoofed", b"X_Forwarded_Email: spoofed"),
    _passes("forwarded", b"Forwarded: for=spoofed"),
    _passes("via", b"Via: 1.1 spoofed"),
    _passes("real-ip", b"X-Real-IP: spoofed", b"X_Real_IP: spoofed", b"True-Client-IP: spoofed"),
    _passes("original-url", b"X-Original-URL: /spoofed", b"X-Rewrite-URL: /spoofed"),
    _passes("script-name", b"Script-Name: /spoofed", b"SCRIPT_NAME: /spoofed"),
    _passes("path-info", b"Path-Info: /spoofed", b"PATH_INFO: /spoofed"),
    _passes("method-override", b"X-HTTP-Method-Override: spoofed", b"X-HTTP-Method: spoofed"),
    _passes("remote-user", b"Remote-User: spoofed", b"X-Remote-User: spoofed"),
    _passes("auth-request", b"X-Auth-Request-User: spoofed", b"X_Auth_Request_Email: spoofed"),
    _passes("mlflow-authorization", b"X-MLflow-Authorization: spoofed"),
    _passes("mlflow-delegation", b"X-MLflow-Assistant-Delegation: spoofed"),
    _passes("request-id-malformed", b"X-Request-ID: spoofed spoofed"),
    _passes("request-id-twice", b"X-Request-ID: spoofed-1", b"X-Request-ID: spoofed-2"),
    _passes("traceparent-malformed", b"traceparent: spoofed"),
    _passes("accept-twice", b"Accept: a/b", b"Accept: c/d"),
    _passes("cookie-twice", b"Cookie: spoofed=b", b"Cookie: c=spoofed"),
    _passes("range", b"Range: bytes=0-1", b"If-None-Match: x"),
    _ambiguous("authorization-twice", AUTHORIZATION),
    _ambiguous("authorization-twice-in-two-cases", AUTHORIZATION.replace(b"A", b"a")),
    _ambiguous("content-type-twice", b"Content-Type: a/b", b"Content-Type: c/d"),
    Case(
        "field-authorization-folded",
        message(b"GET " + LOOKUP).replace(b"Authorization: ", b"Authorization:\r\n "),
        (MALFORMED,),
    ),
    Case(
        "field-authorization-with-underscores",
        message(b"GET " + LOOKUP).replace(b"Authorization:", b"X_API_Key:"),
        (Refused(401, "unauthenticated", closes=False),),
    ),
)

HOP = (
    _passes("connection-lists-it", b"Connection: x-a", b"X-A: spoofed"),
    _passes("connection-lists-it-later", b"X-A: spoofed", b"Connection: X-A"),
    _passes("connection-lists-it-twice", b"Connection: x-b", b"X-A: spoofed", b"Connection: x-a"),
    _passes("connection-lists-ours", b"Connection: x-forwarded-for, x-request-id"),
    _passes("connection-of-commas", b"Connection: ,, ,"),
    _passes("connection-keep-alive", b"Connection: keep-alive", b"Keep-Alive: spoofed"),
    _passes("proxy-connection", b"Proxy-Connection: spoofed", b"Proxy-Authorization: spoofed"),
    _passes("te", b"TE: trailers, spoofed", b"Connection: TE"),
    _passes("trailer", b"Trailer: spoofed"),
    _ambiguous("connection-lists-host", b"Connection: host"),
    _ambiguous("connection-lists-authorization", b"Connection: close, Authorization"),
    _ambiguous("connection-lists-content-type", b"Connection: content-type"),
    Case(
        "field-connection-close",
        lookup(b"Connection: close") + SMUGGLED,
        (LOOKED_UP,),
        closes=True,
    ),
    Case(
        "field-connection-close-among-others",
        lookup(b"Connection: x-a, CLOSE", b"X-A: spoofed") + SMUGGLED,
        (LOOKED_UP,),
        closes=True,
    ),
    Case(
        "field-connection-close-in-a-second-field",
        lookup(b"Connection: keep-alive", b"Connection: close") + SMUGGLED,
        (LOOKED_UP,),
        closes=True,
    ),
    Case("field-upgrade-alone", lookup(b"Upgrade: spoofed"), (LOOKED_UP,)),
    Case(
        "field-upgrade-websocket",
        lookup(b"Connection: Upgrade", b"Upgrade: websocket") + SMUGGLED,
        (LOOKED_UP, SMUGGLED_PASSES),
        apart=by_mlflow("Werkzeug finds no route of a WebSocket there"),
    ),
    Case(
        "field-upgrade-h2c",
        lookup(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: spoofed"),
        (LOOKED_UP,),
        apart=UPGRADES,
    ),
    Case(
        "field-upgrade-h2c-then-preface",
        lookup(b"Connection: Upgrade", b"Upgrade: h2c") + b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        (LOOKED_UP, Refused(505, "request_malformed")),
    ),
    Case(
        "field-upgrade-with-body",
        post(LENGTH, b"Connection: Upgrade", b"Upgrade: h2c", body=RUN_MESSAGE + SMUGGLED),
        (ASKED, SMUGGLED_PASSES),
        apart=UPGRADES,
    ),
    Case(
        "field-upgrade-of-several",
        lookup(b"Connection: Upgrade", b"Upgrade: h2c, websocket"),
        (LOOKED_UP,),
        apart=UPGRADES,
    ),
    Case("field-expect", post(LENGTH, b"Expect: 100-continue"), (ASKED,)),
    Case("field-expect-in-capitals", post(LENGTH, b"Expect: 100-CONTINUE"), (ASKED,)),
    Case("field-expect-without-body", lookup(b"Expect: 100-continue"), (LOOKED_UP,)),
    Case(
        "field-expect-then-a-request",
        post(LENGTH, b"Expect: 100-continue", body=RUN_MESSAGE + SMUGGLED),
        (ASKED, SMUGGLED_PASSES),
    ),
    Case(
        "field-expect-unknown",
        post(LENGTH, b"Expect: 200-ok"),
        (Refused(417, "request_malformed"),),
    ),
    Case(
        "field-expect-twice",
        post(LENGTH, b"Expect: 100-continue", b"Expect: 100-continue"),
        (Refused(417, "request_malformed"),),
    ),
    Case("field-expect-folded", post(LENGTH, b"Expect:", b" 100-continue"), (MALFORMED,)),
)


def _host(name: str, *hosts: bytes, passes: bool = False, foreign: bool = False) -> Case:
    """A request with ``hosts``; ``foreign``: MLflow does not know itself by that name."""
    lines = [b"GET " + LOOKUP + b" HTTP/1.1", *hosts, AUTHORIZATION, b"", b""]
    made = LOOKED_UP if passes or foreign else MALFORMED
    apart = by_mlflow("its own check of the host") if foreign else {}
    return Case(f"host-{name}", b"\r\n".join(lines), (made,), apart=apart)


HOSTS = (
    _host("missing"),
    _host("empty", b"Host:"),
    _host("blank", b"Host: \t"),
    _host("in-capitals", b"HOST: localhost", passes=True),
    _host("with-port", b"Host: localhost:8080", passes=True),
    _host("of-ip-v4", b"Host: 127.0.0.1:5000", passes=True),
    _host("of-ip-v6", b"Host: [::1]:5000", passes=True),
    _host("foreign", b"Host: gate.example", foreign=True),
    _host("with-final-dot", b"Host: gate.example.", foreign=True),
    _host("with-upper-case", b"Host: LOCALHOST", foreign=True),
    _host("with-space-before-colon", b"Host : localhost"),
    _host("folded", b"Host:\r\n localhost"),
    _host("with-space", b"Host: local host"),
    _host("with-two-names", b"Host: localhost, gate.example"),
    _host("with-path", b"Host: localhost/x"),
    _host("with-query", b"Host: localhost?x"),
    _host("with-fragment", b"Host: localhost#x"),
    _host("with-user", b"Host: user@localhost"),
    _host("with-scheme", b"Host: http://localhost"),
    _host("with-escape", b"Host: local%68ost"),
    _host("with-port-in-letters", b"Host: localhost:http"),
    _host("with-port-empty-twice", b"Host: localhost::"),
    _host("with-two-ports", b"Host: localhost:80:81"),
    _host("with-port-too-long", b"Host: localhost:123456"),
    _host("with-open-bracket", b"Host: [::1"),
    _host("with-nul", b"Host: localhost\x00"),
    _host("in-latin-1", b"Host: l\xf6calhost"),
    _host("in-quotes", b'Host: "localhost"'),
    Case("host-twice-the-same", lookup(b"Host: localhost"), (AMBIGUOUS,)),
    Case("host-twice-different", lookup(b"Host: gate.example"), (AMBIGUOUS,)),
    Case("host-twice-in-two-cases", lookup(b"hOST: gate.example"), (AMBIGUOUS,)),
    Case("host-twice-and-empty", lookup(b"Host:"), (AMBIGUOUS,)),
)

CASES = (*GRAMMAR, *ORIGIN, *HOP, *HOSTS)
