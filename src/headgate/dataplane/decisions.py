"""What the data plane asks of the decider, and what that decides: the border to ``decide``."""

from __future__ import annotations

import re
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pydantic import ByteSize

from headgate.contract import Dialect, Reader
from headgate.dataplane.balancer import Balancer
from headgate.errors import Refusal
from headgate.model import NOBODY, BodyHandling, Operation, Phase, Principal
from headgate.wire.request import Request


class Caller:
    """What is known of a client connection, for as long as it lasts.

    ``memo`` belongs to the gate: it may keep there what stays true for the connection.
    """

    __slots__ = ("address", "memo", "scheme")

    def __init__(self, address: str, scheme: str) -> None:
        self.address = address
        self.scheme = scheme
        self.memo: object = None


NO_LIMIT: Final = ByteSize(0)
NO_READER: Final = Reader()


@dataclass(frozen=True, slots=True)
class Route:
    """Where requests with one method and path go.

    ``path`` is what MLflow is sent for the ``canonical`` path, which decisions speak of; ``prefix``
    is the public prefix taken off it.
    ``body_limit`` is in bytes, 0: none.  ``body`` is how the server's version takes bodies, where
    that is known; ``dialect`` is what path and body were chosen for.  ``response_lines`` go into
    the heads of good responses, each where MLflow's own has no field of its name.
    """

    balancer: Balancer
    path: bytes
    prefix: bytes
    operation: Operation
    body_limit: ByteSize = NO_LIMIT
    body: BodyHandling | None = None
    dialect: Dialect | None = None
    canonical: bytes = b""
    response_lines: tuple[bytes, ...] = ()
    reads: Reader = NO_READER
    plain_query: re.Pattern[bytes] | None = None
    lone_parameters: tuple[bytes, ...] = ()

    @property
    def takes_length(self) -> bool:
        """Whether MLflow takes a body only with its length."""
        return (self.body or self.operation.body) is BodyHandling.LENGTH


class BodyScan(Protocol):
    """Looks at a body while it passes; ``refusal``: what speaks against it, once something does."""

    refusal: Refusal | None

    def take(self, pieces: list[bytes], *, done: bool) -> None:
        """Take what came of the body; ``done``: that is all of it."""

    def step(self) -> bool:
        """Look at a part of it, for a millisecond or two; whether there is no more to look at."""


class Forward:
    """The request may pass along ``route``; ``query`` is the client's own, with its ``?``.

    ``scan``: what looks at its body meanwhile, and may still refuse it.
    """

    __slots__ = ("principal", "query", "route", "scan")

    def __init__(self, route: Route, query: bytes, principal: Principal) -> None:
        self.route = route
        self.query = query
        self.principal = principal
        self.scan: BodyScan | None = None


@dataclass(frozen=True, slots=True)
class Redirect:
    """A browser is sent to another path of this gate."""

    location: bytes


@dataclass(frozen=True, slots=True)
class Respond:
    """The gate itself responds with 200 and ``body``, a JSON document."""

    body: bytes
    principal: Principal = NOBODY


@dataclass(frozen=True, slots=True)
class Refuse:
    """The request may not pass; ``principal`` is set once it has been authenticated."""

    refusal: Refusal
    phase: Phase
    principal: Principal = NOBODY


class Inspect:
    """The decision needs the body: it is collected, and ``Decider.decide_body`` asked with it."""

    __slots__ = ("principal", "query", "route")

    def __init__(self, route: Route, query: bytes, principal: Principal) -> None:
        self.route = route
        self.query = query
        self.principal = principal


class Pending:
    """The decision needs something that is not here yet, such as a response of MLflow's.

    ``decision`` is run once the request has been admitted: what it takes is done in its place.
    """

    __slots__ = ("decision", "principal", "route")

    def __init__(
        self, decision: Coroutine[Any, Any, Decision], route: Route, principal: Principal
    ) -> None:
        self.decision = decision
        self.route = route
        self.principal = principal


class Authenticating:
    """It takes I/O to tell who sends the request: ``decision`` is run meanwhile.

    The request is not admitted before that, since limits depend on who sends it.  One waits on
    each connection at most.
    """

    __slots__ = ("decision",)

    def __init__(self, decision: Coroutine[Any, Any, Decision]) -> None:
        self.decision = decision


Decision = Forward | Redirect | Respond | Refuse | Inspect | Pending | Authenticating


class Decider(Protocol):
    """Decides on each request: the package ``decide`` has the only one."""

    def decide(self, request: Request, caller: Caller) -> Decision:
        """Take a parsed request through canonicalise, classify, authenticate and authorise."""

    def decide_body(
        self, request: Request, caller: Caller, asked: Inspect, body: bytes
    ) -> Decision:
        """Decide with the whole body on what ``decide`` answered ``Inspect`` to."""

    def reconsider(self, request: Request, caller: Caller, principal: Principal) -> Refusal | None:
        """Why a request may not pass any more that has waited after it was decided on.

        ``principal`` is who sent it.  Its credentials may have been revoked, have expired or may
        do less by now; ``None``: all is as it was.
        """

    def is_otlp(self, request: Request) -> bool:
        """Whether a request is one of the OpenTelemetry protocol: so is what it is refused with.

        Asked for requests that are refused before their route is known to the data plane.
        """
