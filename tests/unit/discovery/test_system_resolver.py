"""The system's list of DNS servers is followed while the gate runs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import dns.asyncresolver
import dns.resolver
import pytest

from headgate.discovery.dns_addresses import Addresses
from headgate.discovery.dns_resolver import SystemResolver
from headgate.discovery.report import DiscoveryError
from headgate.symptoms import DiscoveryFailure


class Asked:
    """Which servers would have been asked, and with which domains searched."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.servers: list[list[str]] = []
        self.searched: list[list[str]] = []

        async def resolve(
            resolver: dns.asyncresolver.Resolver, *_arguments: object, **_options: object
        ) -> Any:
            self.servers.append(list(map(str, resolver.nameservers)))
            self.searched.append([each.to_text() for each in resolver.search])
            assert resolver.use_search_by_default
            raise dns.resolver.NoAnswer

        monkeypatch.setattr(dns.asyncresolver.Resolver, "resolve", resolve)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    return Asked(monkeypatch)


def ask(resolver: SystemResolver) -> None:
    with pytest.raises(dns.resolver.NoAnswer):
        asyncio.run(resolver.resolve("mlflow", "A"))


def test_a_change_is_taken_up_at_the_next_question(asked: Asked, tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text("nameserver 192.0.2.1\nsearch one.example\n")
    resolver = SystemResolver(file)
    ask(resolver)
    file.write_text("nameserver 192.0.2.22\nnameserver 2001:db8::1\nsearch other.example\n")
    ask(resolver)
    ask(resolver)
    assert asked.servers == [["192.0.2.1"], *[["192.0.2.22", "2001:db8::1"]] * 2]
    assert asked.searched == [["one.example."], *[["other.example."]] * 2]


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"# nothing\n",
        b"search x\n",
        b"nameserver\n",
        b"\xff\xfe",
        b"nameserver nonsense\n",
    ],
)
def test_what_names_no_server_changes_nothing(
    content: bytes | None, asked: Asked, tmp_path: Path
) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text("nameserver 192.0.2.1\n")
    resolver = SystemResolver(file)
    ask(resolver)
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    ask(resolver)
    file.write_text("nameserver 192.0.2.22\n")
    ask(resolver)
    assert asked.servers == [["192.0.2.1"], ["192.0.2.1"], ["192.0.2.22"]]


def test_a_system_without_any_is_reported_and_may_get_one_later(
    asked: Asked, tmp_path: Path
) -> None:
    file = tmp_path / "resolv.conf"
    resolver = SystemResolver(file)
    addresses = Addresses("mlflow", resolver, hosts_file=False)
    with pytest.raises(DiscoveryError, match=r"no DNS server is configured on this system") as told:
        asyncio.run(addresses.look_up())
    assert told.value.failure is DiscoveryFailure.RESOLVER_MISSING
    assert asked.servers == []
    file.write_text("nameserver 192.0.2.1\n")
    ask(resolver)
    assert asked.servers == [["192.0.2.1"]]
