"""The names by which an upstream's endpoints are spoken to, and which no client may see."""

from __future__ import annotations

import asyncio

import pytest

from headgate.cluster import Found, decide_retry
from headgate.config import Limits, Upstream
from headgate.config.upstream import Probes
from headgate.discovery import discovery_for
from headgate.discovery.dns import DnsDiscovery
from headgate.discovery.dns_srv import SrvDiscovery
from headgate.discovery.report import Report
from headgate.discovery.static import StaticDiscovery
from headgate.events import EndpointAdded, Event, InternalError, Level
from headgate.model import Endpoint, Retry
from headgate.upstreams import finder, live
from headgate.upstreams.endpoint_names import authorities_of, host_header
from headgate.upstreams.live import LiveUpstream


@pytest.mark.parametrize(
    ("choice", "address", "sent"),
    [
        ("auto", "10.0.0.7", "10.0.0.7:5000"),
        ("auto", "172.31.255.1", "172.31.255.1:5000"),
        ("auto", "192.168.0.7", "192.168.0.7:5000"),
        ("auto", "fd00::7", "[fd00::7]:5000"),
        ("auto", "203.0.113.7", "mlflow:5000"),  # MLflow's own check would refuse the address
        ("auto", "172.32.0.1", "mlflow:5000"),
        ("name", "10.0.0.7", "mlflow:5000"),
        ("address", "203.0.113.7", "203.0.113.7:5000"),
        ("tracking.example.com", "10.0.0.7", "tracking.example.com"),
    ],
)
def test_the_host_that_is_sent(choice: str, address: str, sent: str) -> None:
    settings = Upstream(url="http://mlflow:5000", host_header=choice)
    assert host_header(settings, Endpoint(address, 5000), "mlflow:5000") == sent


@pytest.mark.parametrize(
    ("endpoint", "host", "names"),
    [
        (Endpoint("10.0.0.7", 5000), "MLflow:5000", {"mlflow:5000", "10.0.0.7:5000"}),
        (
            Endpoint("10.0.0.7", 443),
            "Tracking.example",
            {"10.0.0.7:443", "tracking.example:80", "tracking.example:443"},
        ),
        (
            Endpoint("::1", 5000),
            "[::1]:5000",
            {"[::1]:5000", "localhost:5000", "127.0.0.1:5000"},
        ),
    ],
)
def test_the_names_no_client_may_be_shown(endpoint: Endpoint, host: str, names: set[str]) -> None:
    assert authorities_of(endpoint, host) == names


@pytest.mark.parametrize(
    ("url", "kinds"),
    [
        ("http://127.0.0.1:5000", [StaticDiscovery]),
        ("http://localhost:5000", [StaticDiscovery]),
        ("http://10.0.0.7:5000,http://10.0.0.8:5000", [StaticDiscovery]),
        ("https://mlflow.internal", [DnsDiscovery]),
        ("http://mlflow.internal:5000,http://10.0.0.8:5000", [DnsDiscovery, StaticDiscovery]),
        ("srv+http://_mlflow._tcp.internal", [SrvDiscovery]),
    ],
)
def test_the_adapter_for_a_url(url: str, kinds: list[type]) -> None:
    found = discovery_for(Upstream(url=url, resolver="127.0.0.1:5353"))
    assert [type(each) for each in found] == kinds


@pytest.mark.parametrize(("connect_timeout", "last"), [(5, 94), (40, 65)])
def test_no_attempt_begins_that_might_outlast_the_client(connect_timeout: float, last: int) -> None:
    """MLflow's client gives up after 120 s; the gate's own limit is 105."""
    settings = Upstream.model_validate({"connect_timeout": connect_timeout})
    policy = LiveUpstream("default", settings, Limits()).balancer.terms.retry_policy

    def again(elapsed: float) -> bool:
        return decide_retry(
            Retry.NEVER,
            sent=False,
            answered=False,
            repeatable=True,
            attempts=1,
            elapsed=elapsed,
            budget=True,
            policy=policy,
        ).again

    assert again(last)
    assert not again(last + 1)


def test_a_response_that_names_nobody_takes_no_name_away() -> None:
    """Or the endpoints that are kept would be spoken to by another name than before."""
    settings = Upstream(url="http://mlflow:5000", resolver="127.0.0.1:5353", host_header="name")
    upstream = LiveUpstream("default", settings, Limits())
    endpoint = Endpoint("10.0.0.7", 5000)
    upstream.finder.found([Found(endpoint, name="mlflow:5000")], "DNS", 1.0)
    upstream.finder.found([], "DNS", 1.0)
    assert upstream.balancer.pool(endpoint).host_header == b"mlflow:5000"


class Faulty:
    """An adapter with a defect, once."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.runs = 0
        self._endpoint = endpoint

    async def run(self, report: Report) -> None:
        self.runs += 1
        if self.runs == 1:
            raise KeyError("a defect")
        report.found([Found(self._endpoint)], "test", None)
        await asyncio.Event().wait()

    def refresh_now(self) -> None:
        """Nothing is waited for."""


@pytest.mark.patches
def test_discovery_that_fails_by_a_defect_is_begun_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    endpoint = Endpoint("10.0.0.7", 5000)
    adapter = Faulty(endpoint)
    monkeypatch.setattr(live, "discovery_for", lambda _settings, _emit: [adapter])
    monkeypatch.setattr(finder, "RESTART_SECONDS", 0.0)
    events: list[Event] = []

    async def story() -> None:
        settings = Upstream(probes=Probes(interval=0))
        upstream = LiveUpstream("default", settings, Limits(), emit=events.append)
        upstream.start()
        async with asyncio.timeout(20):
            await upstream.finder.known()
        upstream.close()
        assert upstream.balancer.snapshot().available == 1

    asyncio.run(story())
    defect, added = (each for each in events if each.level is not Level.DEBUG)
    assert isinstance(defect, InternalError)
    assert defect.activity == "discovering the endpoints of default"
    assert isinstance(added, EndpointAdded)
