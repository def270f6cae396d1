"""Name servers that fail by half, and names that lead to more than one answer holds."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import dns.rcode
import pytest

from headgate.config import Limits, Upstream
from headgate.model import Endpoint
from headgate.upstreams.live import LiveUpstream
from tests.support.adapters import DEADLINE, Reports, follow
from tests.support.certificates import Authority
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripted_dns import ScriptedDns
from tests.support.scripts import fixed

NAME = "mlflow.internal.test"


@pytest.fixture
def server() -> Iterator[ScriptedDns]:
    with ScriptedDns() as running:
        yield running


def test_samples_whose_ttl_is_zero_are_put_together_too(server: ScriptedDns) -> None:
    every = [f"10.0.0.{last}" for last in range(1, 13)]
    server.set(NAME, "A", *every[:8], ttl=0)

    async def story(reports: Reports) -> None:
        await reports.until(lambda: bool(reports.sets))
        server.set(NAME, "A", *every[4:], ttl=0)
        await reports.until(lambda: len(reports.sets[-1][0]) == len(every))

    follow(f"http://{NAME}:5000", server.address, story)


def test_an_answer_holds_as_long_as_each_name_on_the_way_to_it(server: ScriptedDns) -> None:
    """An alias that is turned to another target is followed when its own time is over."""
    server.set(NAME, "CNAME", "blue.test", ttl=3)
    server.set("blue.test", "A", "10.0.0.1", ttl=30)

    async def story(reports: Reports) -> None:
        await reports.until(lambda: bool(reports.sets))
        assert reports.sets[0] == ({"10.0.0.1:5000"}, 3.0)

    follow(f"http://{NAME}:5000", server.address, story)


def test_one_kind_of_address_is_enough(server: ScriptedDns) -> None:
    """There are name servers that fail on every AAAA."""
    server.set(NAME, "A", "10.0.0.1")
    server.rcodes[NAME, "AAAA"] = dns.rcode.SERVFAIL

    async def story(reports: Reports) -> None:
        await reports.until(lambda: bool(reports.sets))
        assert reports.sets[0][0] == {"10.0.0.1:5000"}
        assert reports.errors == []

    follow(f"http://{NAME}:5000", server.address, story)


def test_a_kind_that_fails_for_a_while_keeps_what_it_named(server: ScriptedDns) -> None:
    server.set(NAME, "A", "10.0.0.1")
    server.set(NAME, "AAAA", "fd00::1")

    async def story(reports: Reports) -> None:
        await reports.until(lambda: bool(reports.sets))
        server.rcodes[NAME, "AAAA"] = dns.rcode.SERVFAIL
        seen = len(reports.sets)
        await reports.until(lambda: len(reports.sets) > seen + 1)
        assert reports.sets[-1][0] == {"10.0.0.1:5000", "[fd00::1]:5000"}
        del server.rcodes[NAME, "AAAA"]
        server.set(NAME, "AAAA")
        await reports.until(lambda: reports.sets[-1][0] == {"10.0.0.1:5000"})

    follow(f"http://{NAME}:5000", server.address, story)


def test_a_resolver_that_is_named_has_the_only_word(server: ScriptedDns) -> None:
    """What the hosts file or the system's resolver would say does not count."""

    async def story(reports: Reports) -> None:
        await reports.until(lambda: bool(reports.errors))
        assert "NXDOMAIN" in reports.errors[0]

    follow(f"http://{socket.gethostname()}:5000", server.address, story)


def test_each_port_of_a_name_is_a_source_of_its_own(server: ScriptedDns) -> None:
    """Or the answer for one would make the endpoints of the other leave."""
    server.set(NAME, "A", "10.0.0.1")
    settings = Upstream(url=f"http://{NAME}:1,http://{NAME}:2", resolver=server.address)
    upstream = LiveUpstream("default", settings, Limits())

    async def story() -> tuple[set[str], set[str]]:
        upstream.start()
        async with asyncio.timeout(DEADLINE):
            while server.questions.count((NAME, "A")) < 6:  # noqa: ASYNC110
                await asyncio.sleep(0.01)  # nobody tells of it
        snapshot = upstream.balancer.snapshot()
        upstream.close()
        names = {each.endpoint for each in snapshot.endpoints if each.state != "draining"}
        return names, {each.source for each in snapshot.sources}

    assert asyncio.run(story()) == (
        {"10.0.0.1:1", "10.0.0.1:2"},
        {f"DNS {NAME}:1", f"DNS {NAME}:2"},
    )


def test_an_srv_target_that_fails_hides_no_other(server: ScriptedDns) -> None:
    """Records of a task that has just gone may outlive its address."""
    server.set("_mlflow._tcp.test", "SRV", "0 1 5001 a.test.", "0 1 5002 b.test.")
    server.set("a.test", "A", "10.0.0.1")

    async def story(reports: Reports) -> None:
        await reports.until(lambda: bool(reports.sets))
        assert reports.sets[0][0] == {"10.0.0.1:5001"}
        server.set("b.test", "A", "10.0.0.2")
        both = {"10.0.0.1:5001", "10.0.0.2:5002"}
        await reports.until(lambda: reports.sets[-1][0] == both)
        server.set("a.test", "A")
        seen = len(reports.sets)
        await reports.until(lambda: len(reports.sets) > seen + 1)
        assert reports.sets[-1][0] == both  # the last known address of what is still named
        assert reports.errors == []
        server.set("b.test", "A")
        server.set("_mlflow._tcp.test", "SRV", "0 1 5003 c.test.")
        await reports.until(lambda: bool(reports.errors))
        assert "c.test" in reports.errors[0]

    follow("srv+http://_mlflow._tcp.test", server.address, story)


def test_more_srv_records_than_one_answer_holds_are_put_together(server: ScriptedDns) -> None:
    records = [f"0 1 {port} a.test." for port in range(5001, 5013)]
    server.set("_mlflow._tcp.test", "SRV", *records[:8])
    server.set("a.test", "A", "10.0.0.1")

    async def story(reports: Reports) -> None:
        await reports.until(lambda: bool(reports.sets))
        server.set("_mlflow._tcp.test", "SRV", *records[4:])
        await reports.until(lambda: len(reports.sets[-1][0]) == len(records))

    follow("srv+http://_mlflow._tcp.test", server.address, story)


def test_of_several_addresses_only_the_link_local_ones_are_refused(server: ScriptedDns) -> None:
    server.set(NAME, "A", "169.254.169.254", "10.0.0.1")
    server.set(NAME, "AAAA", "::ffff:169.254.169.254", "fd00:ec2::254", "fe80::1")

    async def story(reports: Reports) -> None:
        await reports.until(lambda: bool(reports.sets))
        assert reports.sets[0][0] == {"10.0.0.1:5000"}

    follow(f"http://{NAME}:5000", server.address, story)


def ask_each(url: str, count: int, resolver: str, authority: Authority) -> None:
    """Speak over TLS, by name, to each of the ``count`` endpoints that ``url`` leads to."""
    settings = Upstream.model_validate(
        {
            "url": url,
            "resolver": resolver,
            "tls": {"ca": authority.certificate},
            "host_header": "name",
            "probes": {"interval": 0},
        }
    )

    async def story() -> None:
        live = LiveUpstream("default", settings, Limits())
        live.start()
        try:
            async with asyncio.timeout(DEADLINE):
                while live.balancer.snapshot().available < count:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)  # nobody tells of it
            for each in live.balancer.snapshot().endpoints:
                host, _, port = each.endpoint.rpartition(":")
                answer = await live.caller.call(Endpoint(host, int(port)), b"/version", within=10)
                assert answer.status == 200
        finally:
            live.close()

    asyncio.run(story())


def encrypted(name: str, authority: Authority) -> RecordingUpstream:
    """An upstream whose certificate bears that name."""
    shown = authority.issue(name, name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown.certificate, shown.key)
    return RecordingUpstream(fixed(), tls=context)


def test_each_name_of_a_list_is_checked_and_spoken_to_by_itself(
    server: ScriptedDns, tmp_path: Path
) -> None:
    """A certificate for one of them says nothing of the other."""
    authority = Authority(tmp_path, "authority")
    with ExitStack() as stack:
        urls, upstreams = [], {}
        for name in ("a.test", "b.test"):
            upstream = stack.enter_context(encrypted(name, authority))
            server.set(name, "A", upstream.host)
            urls.append(f"https://{name}:{upstream.port}")
            upstreams[f"{name}:{upstream.port}".encode()] = upstream
        ask_each(",".join(urls), len(urls), server.address, authority)
        for sent, upstream in upstreams.items():
            assert upstream.request(0).all(b"host") == [sent]


def test_a_final_dot_is_for_the_resolver_alone(server: ScriptedDns, tmp_path: Path) -> None:
    """No certificate bears it, and MLflow's Host check does not know it."""
    authority = Authority(tmp_path, "authority")
    with encrypted("a.test", authority) as upstream:
        server.set("a.test", "A", upstream.host)
        ask_each(f"https://A.test.:{upstream.port}", 1, server.address, authority)
        assert upstream.request(0).all(b"host") == [f"a.test:{upstream.port}".encode()]
