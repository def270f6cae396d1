"""Where a request came from is believed from configured networks alone."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from tests.support.gate import Gate, bearer, create_key, running_gate
from tests.support.raw import RawResponse
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed

FORWARDED = (
    "X-Forwarded-For: 198.51.100.9, 203.0.113.7",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: mlflow.example.com",
)
WRITE = "/api/2.0/mlflow/runs/create"


@pytest.fixture(scope="module")
def _upstream() -> Iterator[RecordingUpstream]:
    with RecordingUpstream(fixed()) as running:
        yield running


@pytest.fixture
def upstream(_upstream: RecordingUpstream) -> RecordingUpstream:
    """The module's upstream, with nothing recorded yet."""
    _upstream.forget(fixed())
    return _upstream


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the module's gates, which have their keys in common."""
    return tmp_path_factory.mktemp("proxies")


@pytest.fixture(scope="module")
def key(folder: Path) -> str:
    return create_key(folder / "data", "proxies")


Start = Callable[[str], Gate]


@pytest.fixture(scope="module")
def start(folder: Path, _upstream: RecordingUpstream, key: str) -> Iterator[Start]:
    """Gives a gate that trusts the given networks, one for all tests that ask for the same."""
    with ExitStack() as stack:

        @cache
        def started(networks: str) -> Gate:
            settings = {"HEADGATE_LISTEN__TRUSTED_PROXIES": networks}
            own = folder / f"gate-{started.cache_info().misses}"
            own.mkdir()
            settings["HEADGATE_DATA"] = str(folder / "data")
            return stack.enter_context(running_gate(own, _upstream.url, settings))

        yield started


def client_in_log(gate: Gate, request_id: str | None) -> str:
    client = gate.outcome(lambda o: o["request_id"] == request_id)["client"]
    assert isinstance(client, str)
    return client


@pytest.mark.parametrize("networks", ["", "10.0.0.0/8, fd00::/8"])
def test_nobody_else_is_believed(
    networks: str, start: Start, upstream: RecordingUpstream, key: str
) -> None:
    gate = start(networks)
    response = gate.ask("GET", "/version", *FORWARDED, key=key)
    request = upstream.request(0)
    assert request.all(b"x-forwarded-for") == [b"127.0.0.1"]
    assert request.all(b"x-forwarded-proto") == [b"http"]
    assert request.all(b"x-forwarded-host") == [f"{gate.host}:{gate.port}".encode()]
    assert client_in_log(gate, response.get("X-Request-ID")) == "127.0.0.1"


@pytest.mark.parametrize("networks", ["127.0.0.0/8", "10.0.0.0/8, 127.0.0.1"])
def test_a_trusted_proxy_is_believed(
    networks: str, start: Start, upstream: RecordingUpstream, key: str
) -> None:
    """The client is the last address that no trusted proxy has; what is before it may be a lie."""
    gate = start(networks)
    response = gate.ask("GET", "/version", *FORWARDED, key=key)
    request = upstream.request(0)
    assert request.all(b"x-forwarded-for") == [b"203.0.113.7, 127.0.0.1"]
    assert request.all(b"x-forwarded-proto") == [b"https"]
    assert request.all(b"x-forwarded-host") == [b"mlflow.example.com"]
    assert client_in_log(gate, response.get("X-Request-ID")) == "203.0.113.7"


def test_a_chain_of_trusted_proxies_is_walked_to_its_beginning(
    start: Start, upstream: RecordingUpstream, key: str
) -> None:
    gate = start("127.0.0.0/8,10.0.0.0/8,203.0.113.7")
    response = gate.ask(
        "GET", "/version", "X-Forwarded-For: bad, 198.51.100.9, 203.0.113.7, 10.1.2.3", key=key
    )
    chain = b"198.51.100.9, 203.0.113.7, 10.1.2.3, 127.0.0.1"
    assert upstream.request(0).all(b"x-forwarded-for") == [chain]
    assert client_in_log(gate, response.get("X-Request-ID")) == "198.51.100.9"


@pytest.mark.parametrize("networks", ["", "127.0.0.1"])
def test_mlflows_own_address_becomes_the_one_that_the_client_used(
    networks: str, start: Start, upstream: RecordingUpstream, key: str
) -> None:
    gate = start(networks)
    upstream.scripts[:] = [fixed(b"", f"Location: {upstream.url}/elsewhere?a=b", status=307)]
    response = gate.ask("GET", "/mlflow/version", *FORWARDED, key=key)
    base = "https://mlflow.example.com" if networks else gate.url
    assert response.get("Location") == f"{base}/mlflow/elsewhere?a=b"


@pytest.mark.parametrize(
    ("networks", "origin", "passes"),
    [
        ("127.0.0.1", "https://mlflow.example.com", True),
        ("127.0.0.1", "https://evil.example.com", False),
        ("", "https://mlflow.example.com", False),
        ("", "http://{host}", True),
    ],
)
def test_a_page_may_write_where_it_came_from(
    networks: str,
    origin: str,
    *,
    passes: bool,
    start: Start,
    upstream: RecordingUpstream,
    key: str,
) -> None:
    """As the browser sees it, which is how a trusted proxy says it was asked."""
    gate = start(networks)
    own = f"{gate.host}:{gate.port}"
    response = write(gate, key, own, *FORWARDED, f"Origin: {origin.format(host=own)}")
    assert response.status == (200 if passes else 403)
    assert len(upstream.requests) == int(passes)


def write(gate: Gate, key: str | None, host: str, *fields: str) -> RawResponse:
    """Send a write under a ``Host``."""
    with gate.connect() as client:
        lines = (*fields, bearer(key)) if key is not None else fields
        head = "".join(f"{each}\r\n" for each in (f"Host: {host}", *lines, "Content-Length: 2"))
        client.send(f"POST {WRITE} HTTP/1.1\r\n{head}\r\n{{}}".encode())
        return client.response()


PAGE = "Origin: https://mlflow.example.com:8443"


def test_a_public_name_is_taken_up_by_a_reload(tmp_path: Path, upstream: RecordingUpstream) -> None:
    """The refusal of a page names the line that lets it in."""
    key = create_key(tmp_path / "data", "proxies")
    file = tmp_path / "headgate.toml"
    file.write_text("# All as by default.\n", encoding="utf-8")
    with running_gate(tmp_path, upstream.url, {"HEADGATE_CONFIG": str(file)}) as gate:
        refused = write(gate, key, "headgate:8080", PAGE)
        assert refused.status == 403
        told = json.loads(refused.body)["message"]
        assert "'https://mlflow.example.com:8443'" in told
        assert "'headgate:8080'" in told
        line = re.search(r"set (public_names = .*) under \[listen\]", told)
        assert line is not None
        file.write_text(f"[listen]\n{line[1]}\n", encoding="utf-8")
        gate.process.signal(signal.SIGHUP)
        gate.process.wait_until(
            lambda: write(gate, key, "headgate:8080", PAGE).status == 200 or None,
            "the page's name in force",
            20.0,
        )
        assert write(gate, key, "headgate:8080", "Origin: https://evil.example").status == 403


# --- without keys --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def open_gate(
    tmp_path_factory: pytest.TempPathFactory, _upstream: RecordingUpstream
) -> Iterator[Gate]:
    """A gate that asks nobody for a key."""
    settings = {
        "HEADGATE_AUTH__MODE": "none",
        "HEADGATE_LISTEN__PUBLIC_NAMES": "mlflow.example.com",
    }
    with running_gate(tmp_path_factory.mktemp("open"), _upstream.url, settings) as gate:
        yield gate


@pytest.mark.parametrize("path", ["/version", "/", "/health", "/-/health", "/-/livez", "/nothing"])
def test_without_keys_a_page_that_was_made_to_lead_here_reaches_nothing(
    path: str, open_gate: Gate, upstream: RecordingUpstream
) -> None:
    """DNS rebinding: its requests are of its own origin, and bear its own name."""
    for host in ("evil.example", "localhost.evil.example", "10.0.0.1"):
        with open_gate.connect() as client:
            client.send(f"GET {path} HTTP/1.1\r\nHost: {host}:{open_gate.port}\r\n\r\n".encode())
            response = client.response()
        assert response.status == 403
        assert "listen.public_names" in json.loads(response.body)["message"]
    assert not upstream.requests


def test_without_keys_loopback_and_public_names_are_served(
    open_gate: Gate, upstream: RecordingUpstream
) -> None:
    port = open_gate.port
    for host in ("localhost", f"127.0.0.1:{port}", f"[::1]:{port}", "127.3.2.1", "LOCALHOST:1"):
        assert write(open_gate, None, host).status == 200
        assert write(open_gate, None, host, f"Origin: http://{host}").status == 200
        assert write(open_gate, None, host, "Origin: http://evil.example").status == 403
    assert write(open_gate, None, "mlflow.example.com:8443").status == 200
    with open_gate.connect() as client:  # a balancer's probe; no browser sends such a thing
        client.send(b"GET /version HTTP/1.0\r\n\r\n")
        assert client.response().status == 200
