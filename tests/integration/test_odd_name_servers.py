"""Name servers whose answers are late, cut short, forged, doubled or strangely spelled."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import dns.rcode
import pytest

from headgate.testing.fault_proxy import FaultProxy
from tests.support.adapters import Reports, follow
from tests.support.gate import create_key, running_gate
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripted_dns import ScriptedDns
from tests.support.scripts import fixed

NAME = "mlflow.internal.test"
NOBODY = "0.0.0.0"  # noqa: S104 - nobody binds to it
SERVICE = "_mlflow._tcp.test"
URL = f"http://{NAME}:5000"


def has_ipv6() -> bool:
    """Whether something can listen at ::1."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.fixture
def server() -> Iterator[ScriptedDns]:
    with ScriptedDns() as running:
        yield running


def first_set(url: str, server: ScriptedDns) -> set[str]:
    """What is found first, without a failure before."""
    found: list[set[str]] = []

    async def story(reports: Reports) -> None:
        await reports.until(lambda: bool(reports.sets or reports.errors))
        assert reports.errors == []
        found.append(reports.sets[0][0])

    follow(url, server.address, story)
    return found[0]


def first_error(url: str, server: ScriptedDns) -> str:
    """What goes wrong first, without a set before."""
    errors: list[str] = []

    async def story(reports: Reports) -> None:
        await reports.until(lambda: bool(reports.sets or reports.errors))
        assert reports.sets == []
        errors.append(reports.errors[0])

    follow(url, server.address, story)
    return errors[0]


def test_an_answer_that_is_cut_short_is_asked_for_over_tcp(server: ScriptedDns) -> None:
    every = [f"10.0.{net}.{last}" for net in range(4) for last in range(1, 251)]
    server.set(NAME, "A", *every)
    server.truncated = True
    assert first_set(URL, server) == {f"{address}:5000" for address in every}
    assert server.by_tcp


def test_an_answer_to_another_question_is_not_believed(server: ScriptedDns) -> None:
    server.set(NAME, "A", "10.0.0.1")
    server.stray = "10.6.6.6"
    assert first_set(URL, server) == {"10.0.0.1:5000"}


@pytest.mark.parametrize("delay", [0.5, 3.0])
def test_a_late_answer_counts(server: ScriptedDns, delay: float) -> None:
    server.set(NAME, "A", "10.0.0.1")
    server.delay = delay
    assert first_set(URL, server) == {"10.0.0.1:5000"}


def test_an_answer_that_comes_too_late_is_reported(server: ScriptedDns) -> None:
    server.set(NAME, "A", "10.0.0.1")
    server.delay = 6.0
    assert "no resolver responded within 5 s" in first_error(URL, server)


def test_one_kind_that_is_never_answered_does_not_hold_up_the_other(server: ScriptedDns) -> None:
    server.set(NAME, "A", "10.0.0.1")
    server.silent_to.add((NAME, "AAAA"))
    began = time.monotonic()
    assert first_set(URL, server) == {"10.0.0.1:5000"}
    assert time.monotonic() - began < 4


def test_a_name_with_ipv6_alone(server: ScriptedDns) -> None:
    server.set(NAME, "AAAA", "fd00::1", "FD00:0:0::2")
    assert first_set(URL, server) == {"[fd00::1]:5000", "[fd00::2]:5000"}


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_a_gate_reaches_a_server_with_ipv6_alone(server: ScriptedDns, tmp_path: Path) -> None:
    """And speaks to it by a Host that MLflow accepts."""
    server.set(NAME, "AAAA", "::1")
    key = create_key(tmp_path / "data", "client")
    settings = {"HEADGATE_UPSTREAMS__DEFAULT__RESOLVER": server.address}
    with (
        RecordingUpstream(fixed()) as upstream,
        FaultProxy("::1", 0, (upstream.host, upstream.port)) as proxy,
        running_gate(tmp_path, f"http://{NAME}:{proxy.port}", settings) as gate,
    ):
        assert gate.ask("GET", "/version", key=key).status == 200
        assert upstream.request(0).all(b"host") == [f"[::1]:{proxy.port}".encode()]


def test_a_kind_that_was_taken_away_does_not_come_back_with_a_failure(
    server: ScriptedDns,
) -> None:
    server.set(NAME, "A", "10.0.0.1")
    server.set(NAME, "AAAA", "fd00::1")

    async def story(reports: Reports) -> None:
        await reports.until(lambda: bool(reports.sets))
        server.set(NAME, "A")
        alone = {"[fd00::1]:5000"}
        await reports.until(lambda: reports.sets[-1][0] == alone)
        server.rcodes[NAME, "A"] = dns.rcode.SERVFAIL
        seen = len(reports.sets)
        await reports.until(lambda: len(reports.sets) > seen + 1)
        assert reports.sets[-1][0] == alone

    follow(URL, server.address, story)


def test_an_alias_of_an_alias_that_leads_in_a_circle_is_reported(server: ScriptedDns) -> None:
    server.set(NAME, "CNAME", NAME, ttl=1)
    assert first_error(URL, server)


def test_an_alias_to_nowhere_is_reported(server: ScriptedDns) -> None:
    server.set(NAME, "CNAME", "gone.test", ttl=1)
    assert "NXDOMAIN" in first_error(URL, server)


def test_the_address_of_nobody_is_none(server: ScriptedDns) -> None:
    """It is what some name servers answer for names that they block, and leads to the gate."""
    server.set(NAME, "A", NOBODY, "10.0.0.1")
    server.set(NAME, "AAAA", "::")
    assert first_set(URL, server) == {"10.0.0.1:5000"}
    server.set(NAME, "A", NOBODY)
    assert "no address is one of MLflow's: 0.0.0.0" in first_error(URL, server)


# --- SRV ---------------------------------------------------------------------------------------


def test_a_target_is_the_same_in_whichever_case(server: ScriptedDns) -> None:
    """Name servers may change the case from answer to answer; what is known must not be lost."""
    server.set(SERVICE, "SRV", "0 1 5001 A.Test.", "0 1 5001 a.test.", "0 1 5001 a.TEST.")
    server.set("a.test", "A", "10.0.0.1")

    async def story(reports: Reports) -> None:
        await reports.until(lambda: bool(reports.sets))
        assert reports.sets[0][0] == {"10.0.0.1:5001"}
        server.set("a.test", "A")
        server.set(SERVICE, "SRV", "0 1 5001 a.tesT.")
        seen = len(reports.sets)
        await reports.until(lambda: len(reports.sets) > seen + 1 or bool(reports.errors))
        assert reports.errors == []
        assert reports.sets[-1][0] == {"10.0.0.1:5001"}

    follow(f"srv+http://{SERVICE}", server.address, story)


def test_a_port_that_cannot_be_connected_to_is_left_out(server: ScriptedDns) -> None:
    server.set(SERVICE, "SRV", "0 1 0 a.test.", "0 1 5001 b.test.")
    server.set("a.test", "A", "10.0.0.1")
    server.set("b.test", "A", "10.0.0.2")
    assert first_set(f"srv+http://{SERVICE}", server) == {"10.0.0.2:5001"}


@pytest.mark.parametrize(
    ("record", "told"), [("0 0 5000 .", "not offered"), ("0 1 0 a.test.", "port 0")]
)
def test_records_that_lead_nowhere_are_reported(
    server: ScriptedDns, record: str, told: str
) -> None:
    server.set(SERVICE, "SRV", record)
    server.set("a.test", "A", "10.0.0.1")
    assert told in first_error(f"srv+http://{SERVICE}", server)


def test_weights_and_doubled_records_add_no_endpoint(server: ScriptedDns) -> None:
    server.set(SERVICE, "SRV", "0 0 5001 a.test.", "0 65535 5001 a.test.", "0 7 5002 b.test.")
    server.set("a.test", "A", "10.0.0.1")
    server.set("b.test", "A", "10.0.0.1")
    assert first_set(f"srv+http://{SERVICE}", server) == {"10.0.0.1:5001", "10.0.0.1:5002"}


def test_a_worse_priority_is_there_when_the_best_cannot_be_found(server: ScriptedDns) -> None:
    """Who asks is to try the lowest number that can be reached (RFC 2782)."""
    server.set(SERVICE, "SRV", "0 1 5001 gone.test.", "10 1 5002 b.test.")
    server.set("b.test", "A", "10.0.0.2")
    assert first_set(f"srv+http://{SERVICE}", server) == {"10.0.0.2:5002"}
