"""What the operators' listener serves, and under which names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.control.ops import OpsDecider
from headgate.dataplane.decisions import Caller, Decision, Forward, Refuse
from headgate.model import NOBODY
from headgate.reasons import Reason
from headgate.testing.dialogue import Dialogue
from headgate.wire.request import read_request

CALLER = Caller("192.0.2.1", "http")
PAGES = {"/livez": "gate/livez", "/readyz": "gate/readyz", "/metrics": "gate/metrics"}
SPELLINGS = [
    *((path, name) for path, name in PAGES.items()),
    *((f"/-{path}", name) for path, name in PAGES.items()),
]


def decide(
    target: str,
    host: str | None = "127.0.0.1:9464",
    *,
    method: str = "GET",
    fields: str = "",
    version: str = "1.1",
    hosts: tuple[str, ...] = (),
    listener: str = "127.0.0.1",
) -> Decision:
    called = "" if host is None else f"Host: {host}\r\n"
    head = f"{method} {target} HTTP/{version}\r\n{called}{fields}\r\n".encode("latin-1")
    decider = OpsDecider(Dialogue().balancer, listener, hosts)
    return decider.decide(read_request(head, 100, None), CALLER)


def refusal(decision: Decision) -> tuple[int, Reason]:
    assert isinstance(decision, Refuse)
    return decision.refusal.code, decision.refusal.reason


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("target", "name"), SPELLINGS)
def test_three_pages_are_served_to_everybody(target: str, name: str, method: str) -> None:
    decision = decide(target, method=method)
    assert isinstance(decision, Forward)
    assert decision.route.operation.name == name
    assert decision.route.operation.family == "gate"
    assert decision.route.path.startswith(b"/-/")
    assert decision.principal is NOBODY


@pytest.mark.parametrize("target", ["/livez?verbose", "/livez?", "http://127.0.0.1:9464/livez"])
def test_a_query_is_ignored(target: str) -> None:
    decision = decide(target)
    assert isinstance(decision, Forward)
    assert decision.query == b""


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/metrics/",
        "/METRICS",
        "//metrics",
        "/./metrics",
        "/x/../metrics",
        "/%6detrics",
        "/metrics%20",
        "/metrics;x",
        "/metrics\\",
        "/-//metrics",
        "/-/health",
        "/-/health/mlflow",
        "/health",
        "/health/mlflow/detailed",
        "/-/api/v1/keys",
        "/-/api/v1/openapi.json",
        "/mlflow/-/metrics",
        "/api/2.0/mlflow/experiments/search",
        "http://127.0.0.1:9464",
        "http://127.0.0.1:9464//metrics",
    ],
)
def test_there_is_nothing_else(target: str) -> None:
    assert refusal(decide(target)) == (404, Reason.ROUTE_UNKNOWN)


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#")))
def test_whatever_is_asked_for(text: str) -> None:
    path = f"/{text}"
    expected = path.partition("?")[0] in dict(SPELLINGS)
    assert isinstance(decide(path), Forward) is expected


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_no_other_method(method: str) -> None:
    decision = decide("/livez", method=method)
    assert refusal(decision) == (405, Reason.ROUTE_UNKNOWN)
    assert isinstance(decision, Refuse)
    assert decision.refusal.allow == (b"GET", b"HEAD")


def test_no_body() -> None:
    """Not even what MLflow's API may be asked with."""
    fields = "Content-Type: application/json\r\nContent-Length: 2\r\n"
    assert refusal(decide("/livez", fields=fields)) == (400, Reason.REQUEST_AMBIGUOUS)


GOOD = [
    "127.0.0.1",
    "127.0.0.1:1",
    "127.9.9.9:9464",
    "[::1]:9464",
    "localhost",
    "LOCALHOST:9464",
    "localhost.:9464",
    # Health checks name the address of their target, behind a mapped port too.
    "10.0.3.7:9464",
    "192.0.2.77",
    "[fd00::7]:9464",
    "[::ffff:10.0.0.1]",
]
BAD = [
    "evil.example",
    "evil.example:9464",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "127.1",
    "2130706433",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "1.2.3.4.5",
    "1.2.3",
    "gate.example.",
    "localhost..",
]


@pytest.mark.parametrize("host", GOOD)
def test_addresses_and_localhost_are_good_hosts(host: str) -> None:
    assert isinstance(decide("/livez", host), Forward)


@pytest.mark.parametrize("host", BAD)
@pytest.mark.parametrize("target", ["/livez", "/metrics", "/nowhere"])
def test_other_names_are_refused_first(host: str, target: str) -> None:
    """A page could make its name lead here (DNS rebinding), and read what it is sent."""
    assert refusal(decide(target, host)) == (403, Reason.FORBIDDEN)
    assert refusal(decide(f"http://{host}{target}", host)) == (403, Reason.FORBIDDEN)


def test_the_own_name_and_configured_ones_are_good() -> None:
    assert isinstance(decide("/livez", "Gate.example:80", listener="gate.example"), Forward)
    assert isinstance(decide("/livez", "m.example:1", hosts=("m.example", "n.example")), Forward)
    assert isinstance(decide("/livez", "n.example", hosts=("m.example", "n.example:9")), Forward)
    assert refusal(decide("/livez", "o.example", hosts=("m.example",)))[0] == 403


def test_a_health_check_of_http_1_0_names_no_host() -> None:
    """HAProxy's do by default; no browser does."""
    assert isinstance(decide("/readyz", None, version="1.0"), Forward)


def test_what_proxies_say_of_the_host_is_not_believed() -> None:
    fields = "X-Forwarded-Host: localhost\r\nForwarded: host=localhost\r\n"
    assert refusal(decide("/livez", "evil.example", fields=fields))[0] == 403
