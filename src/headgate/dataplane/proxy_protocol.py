"""Which connections of a listener must begin with a PROXY header, and what is refused.

Where it is required, it is required of every connection: one from a network that is not listed is
closed, and so is one whose header is missing or wrong.  Nothing is sent to them, for who is at
the other end is not known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from headgate.dataplane.cuts import Cuts
from headgate.events import CutLimit, Emit, ProxyProtocolFailure, ProxyProtocolRefused
from headgate.wire.origin import Network, is_in
from headgate.wire.proxy_header import ProxyHeaderError

REPEAT_SECONDS: Final = 60.0
"""Connections that are closed for one cause are one event in this time."""
_LIMITS: Final = {
    ProxyProtocolFailure.NETWORK: CutLimit.PROXY_NETWORK,
    ProxyProtocolFailure.MISSING: CutLimit.PROXY_HEADER,
    ProxyProtocolFailure.MALFORMED: CutLimit.PROXY_HEADER,
    ProxyProtocolFailure.TIMEOUT: CutLimit.HEADER_TIMEOUT,
}


class ProxyProtocol:
    """What one listener requires of its connections.

    Args:
        emit: takes the events.
        cuts: counts what is closed.

    Attributes:
        networks: those of the proxies that must send a header; empty: nobody must, or may.
    """

    __slots__ = ("_cuts", "_emit", "_emitted", "_pending", "networks")

    def __init__(self, emit: Emit, cuts: Cuts) -> None:
        self._emit = emit
        self._cuts = cuts
        self._emitted: dict[ProxyProtocolFailure, float] = {}
        self._pending: dict[ProxyProtocolFailure, tuple[int, str, str]] = {}
        self.networks: Sequence[Network] = ()

    def takes(self, address: str) -> bool:
        """Whether a connection from ``address`` is one of a listed proxy; if not, it is counted."""
        if is_in(address, self.networks):
            return True
        unlisted = "its address is in no network of proxy_protocol"
        self._refuse(ProxyProtocolFailure.NETWORK, unlisted, address)
        return False

    def wrong(self, error: ProxyHeaderError, address: str) -> None:
        """Count a connection of the proxy at ``address`` whose header is missing or wrong."""
        cause = ProxyProtocolFailure.MALFORMED if error.begun else ProxyProtocolFailure.MISSING
        self._refuse(cause, error.message, address)

    def late(self, seconds: float, address: str) -> None:
        """Count a connection whose header was not complete after ``seconds``."""
        late = f"its header was not complete after {seconds:g} s"
        self._refuse(ProxyProtocolFailure.TIMEOUT, late, address)

    def broke_off(self, address: str) -> None:
        """Count a connection that ended within its header."""
        self._refuse(ProxyProtocolFailure.MALFORMED, "it ended within its header", address)

    def _refuse(self, cause: ProxyProtocolFailure, detail: str, address: str) -> None:
        self._cuts.add(_LIMITS[cause])
        count, _, _ = self._pending.get(cause, (0, "", ""))
        self._pending[cause] = count + 1, detail, address

    def report(self, now: float) -> None:
        """Emit what is due; ``now`` is in seconds."""
        if not self._pending:
            return
        for cause, (count, detail, address) in tuple(self._pending.items()):
            if now - self._emitted.get(cause, -math.inf) >= REPEAT_SECONDS:
                self._emitted[cause] = now
                del self._pending[cause]
                self._emit(ProxyProtocolRefused(address, cause, count, detail))
