"""Secrets in every part of a request are in no log, in no event and on no page of metrics."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from headgate.auth.keys.form import mint
from tests.support.gate import bearer, create_key, running_gate
from tests.support.raw import RawClient
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed
from tests.support.waiting import seconds_until

SECONDS = 30.0
KEY = mint(b"a canary that sings in the mine!")
TOKEN = ".".join(
    base64.urlsafe_b64encode(each).decode().rstrip("=")
    for each in (
        b'{"alg":"RS256","typ":"JWT","kid":"canary"}',
        b'{"sub":"canary-subject","aud":"gate","iss":"https://issuer.example"}',
        b"canary-signature-canary-signature",
    )
)
PASSWORD = "canary-5d1f0c"
"""A secret without a form: it may only stand where nothing is logged."""
BASIC = base64.b64encode(f"alice:{KEY}".encode()).decode()
MODULES = ("admin", "auth", "cluster", "dataplane", "discovery", "limits", "routing", "runtime")

# Where a secret without a form may not be shown either.
HIDDEN = (
    "Authorization: Bearer {}",
    "Authorization: Basic {}",
    "Authorization: Negotiate {}",
    "X-API-Key: {}",
    "Proxy-Authorization: Basic {}",
    "Cookie: session={}",
    "Referer: https://example.com/?token={}",
    "Tracestate: vendor={}",
    "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-{}-01",
    "Baggage: secret={}",
    "X-Custom: {}",
    "Origin: https://{}.example.com",
    "Accept: text/{}",
    "Content-Type: text/{}",
    "Expect: {}",
    "If-None-Match: {}",
    "X-Forwarded-User: {}",
)
TARGETS = (
    "/version?token={}",
    "/nothing?token={}",
    "/api/2.0/mlflow/runs/get?run_id={}",
    "http://user:{}@gate.example/version",
    "/version#{}",
)
# Where texts of clients are shown on purpose, but nothing that has the form of a secret.
SHOWN = ("User-Agent: {}", "X-Request-ID: {}")
SHOWN_TARGETS = ("/{}", "/version/{}", "/api/2.0/mlflow/{}")


def heads(secrets: tuple[str, ...]) -> Iterator[bytes]:
    """Requests with a secret in one place each."""
    for secret in secrets:
        has_form = secret != PASSWORD
        for target in (*TARGETS, *(SHOWN_TARGETS if has_form else ())):
            yield _head(target.format(secret))
        for field in (*HIDDEN, *(SHOWN if has_form else ())):
            for target in ("/version", "/nothing"):
                yield _head(target, field.format(secret))
        yield _head("/version", f"{secret}: a name of a field")
        yield f"GET /version?{secret} HTTP/9.9\r\nHost: gate\r\n\r\n".encode()
        length = f"Content-Length: {len(secret)}"
        create = "POST /api/2.0/mlflow/runs/create HTTP/1.1"
        yield f"{create}\r\nHost: gate\r\n{length}\r\n\r\n{secret}".encode()


def _head(target: str, *fields: str) -> bytes:
    lines = (f"GET {target} HTTP/1.1", "Host: gate", *fields, "", "")
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize(
    ("form", "secrets"), [("json", (KEY, TOKEN, BASIC, PASSWORD)), ("console", (KEY,))]
)
def test_no_secret_of_a_request_is_logged_or_counted(
    form: str, secrets: tuple[str, ...], tmp_path: Path
) -> None:
    """Also of requests with a good key, and with all debug lines."""
    key = create_key(tmp_path / "data", "canaries", ["admin"])
    with (
        RecordingUpstream(fixed()) as upstream,
        running_gate(tmp_path, upstream.url, {"HEADGATE_LOG__FORMAT": form}) as gate,
    ):
        for module in MODULES:
            response = gate.ask(
                "POST",
                "/-/api/v1/log-levels",
                "Content-Type: application/json",
                key=key,
                body=json.dumps({"module": module, "level": "debug"}).encode(),
            )
            assert response.status == 200
        sent = 0
        for head in heads(secrets):
            for more in (b"", f"{bearer(key)}\r\n".encode()):
                if more and b"Authorization" in head:
                    continue
                first, rest = head.split(b"\r\n", 1)
                with RawClient(gate.host, gate.port) as client:
                    client.send(first + b"\r\n" + more + rest)
                    client.response()
                sent += 1
        gate.ask("GET", "/version?the-last-one", "X-Request-ID: the-last-one", key=key)
        output, errors = gate.process.output, gate.process.errors
        seconds_until(lambda: "the-last-one" in output.read_text(), SECONDS)
        seconds_until(lambda: "the-last-one" in errors.read_text(), SECONDS)
        page = gate.ask("GET", "/-/metrics", key=key).body.decode()
        logs = output.read_text() + errors.read_text()
    assert sent > 50 * len(secrets)
    assert logs.count("the-last-one") >= 3
    for text in (logs, page):
        for secret in (KEY, TOKEN, TOKEN.rpartition(".")[0], BASIC, PASSWORD, key):
            assert secret not in text
        assert "canary-s" not in text
