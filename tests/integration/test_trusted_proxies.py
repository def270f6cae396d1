"""Where a request came from is believed from configured networks alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.gate import Gate, bearer, create_key, running_gate
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed

FORWARDED = (
    "X-Forwarded-For: 198.51.100.9, 203.0.113.7",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: mlflow.example.com",
)
WRITE = "/api/2.0/mlflow/runs/create"


@pytest.fixture
def upstream() -> Iterator[RecordingUpstream]:
    with RecordingUpstream(fixed()) as running:
        yield running


@pytest.fixture
def key(tmp_path: Path) -> str:
    return create_key(tmp_path / "data", "proxies")


Start = Callable[[str], Gate]


@pytest.fixture
def start(tmp_path: Path, upstream: RecordingUpstream, key: str) -> Iterator[Start]:
    """Starts a gate that trusts the given networks."""
    with ExitStack() as stack:

        def started(networks: str) -> Gate:
            settings = {"HEADGATE_LISTEN__TRUSTED_PROXIES": networks}
            return stack.enter_context(running_gate(tmp_path, upstream.url, settings))

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
    answer = gate.ask("GET", "/version", *FORWARDED, key=key)
    request = upstream.request(0)
    assert request.all(b"x-forwarded-for") == [b"127.0.0.1"]
    assert request.all(b"x-forwarded-proto") == [b"http"]
    assert request.all(b"x-forwarded-host") == [f"{gate.host}:{gate.port}".encode()]
    assert client_in_log(gate, answer.get("X-Request-ID")) == "127.0.0.1"


@pytest.mark.parametrize("networks", ["127.0.0.0/8", "10.0.0.0/8, 127.0.0.1"])
def test_a_trusted_proxy_is_believed(
    networks: str, start: Start, upstream: RecordingUpstream, key: str
) -> None:
    """The client is the last address that no trusted proxy has; what is before it may be a lie."""
    gate = start(networks)
    answer = gate.ask("GET", "/version", *FORWARDED, key=key)
    request = upstream.request(0)
    assert request.all(b"x-forwarded-for") == [b"203.0.113.7, 127.0.0.1"]
    assert request.all(b"x-forwarded-proto") == [b"https"]
    assert request.all(b"x-forwarded-host") == [b"mlflow.example.com"]
    assert client_in_log(gate, answer.get("X-Request-ID")) == "203.0.113.7"


def test_a_chain_of_trusted_proxies_is_walked_to_its_beginning(
    start: Start, upstream: RecordingUpstream, key: str
) -> None:
    gate = start("127.0.0.0/8,10.0.0.0/8,203.0.113.7")
    answer = gate.ask(
        "GET", "/version", "X-Forwarded-For: bad, 198.51.100.9, 203.0.113.7, 10.1.2.3", key=key
    )
    chain = b"198.51.100.9, 203.0.113.7, 10.1.2.3, 127.0.0.1"
    assert upstream.request(0).all(b"x-forwarded-for") == [chain]
    assert client_in_log(gate, answer.get("X-Request-ID")) == "198.51.100.9"


@pytest.mark.parametrize("networks", ["", "127.0.0.1"])
def test_mlflows_own_address_becomes_the_one_that_the_client_used(
    networks: str, start: Start, upstream: RecordingUpstream, key: str
) -> None:
    gate = start(networks)
    upstream.scripts[:] = [fixed(b"", f"Location: {upstream.url}/elsewhere?a=b", status=307)]
    answer = gate.ask("GET", "/mlflow/version", *FORWARDED, key=key)
    base = "https://mlflow.example.com" if networks else gate.url
    assert answer.get("Location") == f"{base}/mlflow/elsewhere?a=b"


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
    field = f"Origin: {origin.format(host=f'{gate.host}:{gate.port}')}"
    with gate.connect() as client:
        head = f"POST {WRITE} HTTP/1.1\r\nHost: {gate.host}:{gate.port}\r\n"
        fields = "".join(f"{each}\r\n" for each in (*FORWARDED, field, bearer(key)))
        client.send(f"{head}{fields}Content-Length: 2\r\n\r\n{{}}".encode())
        answer = client.answer()
    assert answer.status == (200 if passes else 403)
    assert len(upstream.requests) == int(passes)
