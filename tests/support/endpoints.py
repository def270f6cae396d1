"""Several endpoints of one upstream: loopback addresses that share a port, as tasks on ECS do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from headgate.testing.fault_proxy import Fault, FaultProxy
from tests.support.ports import free_port
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed


@dataclass(frozen=True)
class Endpoints:
    """By host: who records what arrives, and the proxy in front of it that can fail."""

    upstreams: dict[str, RecordingUpstream]
    proxies: dict[str, FaultProxy]
    port: int

    def counts(self) -> dict[str, int]:
        """How many requests have reached each so far."""
        return {host: len(each.requests) for host, each in self.upstreams.items()}

    def fail(self, *hosts: str, fault: Fault = Fault.REFUSE) -> None:
        """Let these fail, and all others work."""
        for host, proxy in self.proxies.items():
            proxy.set(fault if host in hosts else Fault.NONE)


@contextmanager
def running_endpoints(hosts: Sequence[str]) -> Iterator[Endpoints]:
    """Let each of the hosts answer ``{}`` to everything until the block ends."""
    with ExitStack() as stack:
        upstreams = {host: stack.enter_context(RecordingUpstream(fixed())) for host in hosts}
        proxies: dict[str, FaultProxy] = {}
        port = free_port()
        for host, upstream in upstreams.items():
            proxy = FaultProxy(host, port, (upstream.host, upstream.port))
            proxies[host] = stack.enter_context(proxy)
        yield Endpoints(upstreams, proxies, port)
