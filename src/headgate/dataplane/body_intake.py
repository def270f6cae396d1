"""The body of one request as it comes from the client: scanned, collected or passed on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from headgate.dataplane import failures
from headgate.dataplane.decisions import BodyScan
from headgate.dataplane.plane import DataPlane
from headgate.dataplane.ports import ClientSide, CollectingExchange
from headgate.dataplane.request_body import RequestBody
from headgate.dataplane.scanned_body import ScannedBody
from headgate.model import Phase
from headgate.wire import forward as heads
from headgate.wire.request_fields import CHUNKED

_SMALL_BODY: Final = 64 * 1024
"""Bytes of a body that is taken while its request is held: only then is it seen whether its client
leaves."""


class BodyIntake:
    """Takes the body of one request.

    Args:
        exchange: whose body it is; it hears what has come.
        client: sends it.
        plane: what all connections share.
        pieces: what of it came together with the head.
        done: whether that is all of it.

    Attributes:
        body: what has come of it.
    """

    __slots__ = ("_client", "_exchange", "_invited", "_plane", "_scanned", "body")

    def __init__(
        self,
        exchange: CollectingExchange,
        client: ClientSide,
        plane: DataPlane,
        pieces: list[bytes],
        *,
        done: bool,
    ) -> None:
        self.body = RequestBody(exchange.request.fields.length)
        self._exchange = exchange
        self._client = client
        self._plane = plane
        self._invited = False
        self._scanned: ScannedBody | None = None
        if pieces or done:
            self.body.take(pieces, done=done)

    @property
    def received(self) -> int:
        """Bytes of it so far."""
        scanned = self._scanned
        return self.body.received + (scanned.held if scanned is not None else 0)

    def take(self, pieces: list[bytes], *, done: bool) -> None:
        """More of it is here; ``done``: it is complete."""
        if self._scanned is None:
            self.pass_on(pieces, done=done)
        else:
            self._scanned.take(pieces, done=done)

    def pass_on(self, pieces: list[bytes], *, done: bool) -> None:
        """Pass on what has come, and been found well if it is scanned."""
        body, route = self.body, self._exchange.route
        due = body.take(pieces, done=done)
        limit = route.body_limit if route is not None else None
        if limit and body.length == CHUNKED and body.received > limit:
            self._exchange.on_failed(failures.too_large(limit.human_readable()), Phase.ADMIT)
        elif body.collecting:
            self.collect()
        else:
            self._exchange.on_body_due(due)

    def scan(self, scan: BodyScan, passed: Callable[[list[bytes], bool, bool], None]) -> None:
        """Look at all of it before it is passed on.

        Args:
            scan: looks at it.
            passed: called with the pieces that are well, whether they end the body, and whether
                they are the first.
        """
        done = self.body.complete
        self._scanned = scanned = ScannedBody(
            scan, self._exchange, self._client, self._plane.call_soon, passed
        )
        scanned.take(self.body.withdraw(), done=done)

    def collect(self) -> None:
        """Let the exchange go on once all of it is here."""
        body, exchange = self.body, self._exchange
        body.collecting = True
        limit = self._plane.limits.buffered_body_bytes
        if body.received > limit or body.length > limit:
            exchange.on_failed(failures.uncollectable(limit.human_readable()), Phase.ADMIT)
        elif body.complete:
            exchange.asked_at = self._plane.clock()
            exchange.on_goes_on(exchange.asked_at)
            exchange.on_body_collected()
        else:
            exchange.on_waits(self._plane.clock())
            self.invite()

    def invite(self) -> None:
        """Send ``100 Continue`` where the client waits for it, now that it can be taken.

        RFC 9110 section 10.1.1.
        """
        body = self.body
        waits = not body.received and not body.complete
        if waits and not self._invited and self._exchange.request.fields.expects_continue:
            self._invited = True
            self._client.write(heads.CONTINUE)

    def on_hold(self) -> None:
        """The request is held; of a whole one nothing more comes but that its client leaves."""
        body = self.body
        if not body.complete and not 0 <= body.length <= _SMALL_BODY:
            self._client.pause_reading()
