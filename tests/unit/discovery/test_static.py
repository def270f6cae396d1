"""One URL that does not move: its endpoint, the Host it is sent, and the names it has inside."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from headgate.config import Upstream
from headgate.discovery import static
from headgate.model import Endpoint

Resolve = Callable[..., None]


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """Sets what names resolve to; any other name resolves to nothing."""
    known: dict[str, str] = {}

    def getaddrinfo(host: str, port: int, *, type: int) -> list[tuple[object, ...]]:  # noqa: A002 - socket's name for it
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, type, 6, "", (known[host], port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return known.update


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("http://mlflow:5000", Endpoint("mlflow", 5000)),
        ("http://mlflow", Endpoint("mlflow", 80)),
        ("https://mlflow", Endpoint("mlflow", 443)),
        ("https://mlflow:5000", Endpoint("mlflow", 5000)),
        ("HTTPS://MLflow", Endpoint("mlflow", 443)),
        ("http://[::1]:5000", Endpoint("::1", 5000)),
    ],
)
def test_the_endpoint_of_a_url(url: str, endpoint: Endpoint) -> None:
    assert static.endpoint_of(Upstream(url=url)) == endpoint


@pytest.mark.parametrize(
    ("choice", "address", "sent"),
    [
        ("auto", "10.0.0.7", "10.0.0.7:5000"),
        ("auto", "172.31.255.1", "172.31.255.1:5000"),
        ("auto", "192.168.0.7", "192.168.0.7:5000"),
        ("auto", "fd00::7", "[fd00::7]:5000"),
        ("auto", "203.0.113.7", "mlflow:5000"),  # MLflow's own check would refuse the address
        ("auto", "172.32.0.1", "mlflow:5000"),
        ("auto", None, "mlflow:5000"),
        ("name", "10.0.0.7", "mlflow:5000"),
        ("address", "203.0.113.7", "203.0.113.7:5000"),
        ("address", None, "mlflow:5000"),
        ("tracking.example.com", "10.0.0.7", "tracking.example.com"),
    ],
)
def test_the_host_that_is_sent(
    choice: str, address: str | None, sent: str, resolve: Resolve
) -> None:
    if address is not None:
        resolve(mlflow=address)
    settings = Upstream(url="http://mlflow:5000", host_header=choice)
    assert static.host_header(settings, static.endpoint_of(settings)) == sent


def test_mlflow_accepts_localhost_by_name(resolve: Resolve) -> None:
    resolve(localhost="127.0.0.1")
    settings = Upstream(url="http://localhost:5000")
    assert static.host_header(settings, static.endpoint_of(settings)) == "localhost:5000"


@pytest.mark.parametrize(
    ("url", "host", "names"),
    [
        ("http://mlflow:5000", "mlflow:5000", {"mlflow:5000", "10.0.0.7:5000"}),
        ("http://MLflow:5000", "MLflow:5000", {"mlflow:5000", "10.0.0.7:5000"}),
        (
            "https://mlflow",
            "Tracking.example",
            {"mlflow:443", "10.0.0.7:443", "tracking.example:80", "tracking.example:443"},
        ),
        (
            "http://mlflow:5000",
            "[fd00::7]",
            {"mlflow:5000", "10.0.0.7:5000", "[fd00::7]:80", "[fd00::7]:443"},
        ),
        ("http://unknown:5000", "unknown:5000", {"unknown:5000"}),
        (
            "http://[::1]:5000",
            "[::1]:5000",
            {"[::1]:5000", "localhost:5000", "127.0.0.1:5000"},
        ),
    ],
)
def test_the_names_no_client_may_be_shown(
    url: str, host: str, names: set[str], resolve: Resolve
) -> None:
    resolve(mlflow="10.0.0.7")
    endpoint = static.endpoint_of(Upstream(url=url))
    assert static.authorities_of(endpoint, host) == names
