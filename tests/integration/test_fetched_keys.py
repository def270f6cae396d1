"""The keys of issuers over a network: what a fetch accepts, and workers that are replaced."""

from __future__ import annotations

import gzip
import json
import signal
import time
from pathlib import Path

import pytest

from headgate.auth.tokens import http
from headgate.errors import HeadgateError
from tests.support.certificates import Authority
from tests.support.gate import bearer, create_key, running_gate
from tests.support.issued_tokens import GITHUB
from tests.support.issuers import Fault, running_issuer
from tests.support.raw import request_head
from tests.support.recording_upstream import Exchange, RecordingUpstream
from tests.support.scripts import fixed
from tests.support.workers import kill_worker, worker_pids

RULES = json.dumps([{"when": {"repository_id": "74"}, "roles": ["admin"]}])
SEARCH = "/api/2.0/mlflow/experiments/search?max_results=1"


def head(*fields: str, status: str = "200 OK") -> bytes:
    return "\r\n".join((f"HTTP/1.1 {status}", *fields, "", "")).encode()


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (head("Content-Length: 2", status="503 Down") + b"{}", "responded 503"),
        (head("Content-Length: 2", status="204 No Content"), "responded 204"),
        (
            head("Location: /other", "Content-Length: 0", status="307 Temporary Redirect"),
            "redirects to another place",
        ),
        (
            head("Content-Encoding: gzip", "Content-Length: 40") + gzip.compress(b" " * 10**6)[:40],
            "compressed",
        ),
        (head("Content-Length: 3000000") + b" " * 2_000_000, "more than 1024 KiB"),
        (head("Transfer-Encoding: chunked") + b"zz\r\n", "cannot be fetched"),
        (b"SSH-2.0-OpenSSH\r\n", "cannot be fetched"),
    ],
    ids=["503", "204", "redirect", "compressed", "large", "bad chunk", "no HTTP"],
)
def test_what_no_document_is(sent: bytes, why: str) -> None:
    def respond(exchange: Exchange) -> None:
        exchange.send(sent)

    with RecordingUpstream(respond) as server, pytest.raises(HeadgateError, match=why):
        http.fetch(f"{server.url}/jwks", None, {})


def test_a_document_that_comes_too_slowly_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "TOTAL_SECONDS", 0.0)

    def respond(exchange: Exchange) -> None:
        exchange.send(head("Content-Length: 1000000") + b" ")
        exchange.wait_for_disconnect()

    with RecordingUpstream(respond) as server, pytest.raises(HeadgateError, match="took more than"):
        http.fetch(server.url, None, {})


def test_what_is_asked_for() -> None:
    with RecordingUpstream(fixed(b"{}")) as server:
        assert http.fetch(f"{server.url}/jwks", None, {"Authorization": "Bearer a"}) == b"{}"
        request = server.request(0)
    assert request.all(b"accept-encoding") == [b"identity"]
    assert request.all(b"authorization") == [b"Bearer a"]
    assert request.all(b"user-agent")[0].startswith(b"headgate/")


def test_plain_http_takes_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is for this machine alone; a proxy could put other keys in."""
    with RecordingUpstream(fixed(b"own")) as server, RecordingUpstream(fixed(b"other")) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert http.fetch(server.url, None, {}) == b"own"


def test_certificates_are_verified(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path, "one"), Authority(tmp_path, "two")
    certificate = authority.issue("idp", "127.0.0.1")
    with running_issuer(certificate=certificate) as issuer:
        assert b"keys" in http.fetch(issuer.jwks_url, authority.certificate, {})
        for ca in (None, other.certificate):
            with pytest.raises(HeadgateError, match=r"cannot be fetched.*certificate"):
                http.fetch(issuer.jwks_url, ca, {})
    (tmp_path / "empty.pem").touch()
    with pytest.raises(HeadgateError, match="no certificate"):
        http.fetch("https://127.0.0.1:9", tmp_path / "empty.pem", {})
    with pytest.raises(HeadgateError, match="cannot be read"):
        http.fetch("https://127.0.0.1:9", tmp_path / "none.pem", {})


def test_a_worker_that_replaces_another_has_its_keys(tmp_path: Path) -> None:
    """While the issuer is down; and both workers accept a token that neither has seen."""
    with running_issuer(GITHUB.issuer) as issuer, RecordingUpstream(fixed(b"{}")) as upstream:
        environment = {
            "HEADGATE_LISTEN__WORKERS": "2",
            "HEADGATE_AUTH__ISSUERS__CI__ISSUER": GITHUB.issuer,
            "HEADGATE_AUTH__ISSUERS__CI__AUDIENCE": GITHUB.audience,
            "HEADGATE_AUTH__ISSUERS__CI__DISCOVERY_URL": issuer.discovery_url,
            "HEADGATE_AUTH__ISSUERS__CI__RULES": RULES,
        }
        create_key(tmp_path / "data", "ops", ["admin"])
        with running_gate(tmp_path, upstream.url, environment) as gate:
            gate.event("issuer_keys_changed", 2)
            issuer.fault = Fault.ERROR
            for pid in worker_pids(gate.process):
                kill_worker(gate.process, pid, signal.SIGKILL)
            fetched = gate.event("issuer_keys_unreadable", 2)
            assert fetched["known"], "they were there before the first fetch"
            seen = set()
            for _ in range(20):
                token = GITHUB.token(issuer, time.time())
                with gate.connect() as client:
                    client.send(request_head("GET", SEARCH, bearer(token)))
                    assert client.response().status == 200
                    client.send(request_head("GET", "/-/health", bearer(token)))
                    page = json.loads(client.response().body)
                (shown,) = page["issuers"]
                assert shown["keys"] == 1
                assert "responded 503" in shown["failing"]
                seen.add(page["worker"]["number"])
            assert page["status"] == "degraded"
            assert seen <= {0, 1}
