"""A decider whose decisions are written down beforehand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic import ByteSize

from headgate.dataplane.balancer import Balancer
from headgate.dataplane.decisions import (
    NO_LIMIT,
    Caller,
    Decision,
    Forward,
    Inspect,
    Redirect,
    Refuse,
    Route,
)
from headgate.errors import Refusal
from headgate.model import AuthMethod, BodyHandling, Operation, Phase, Principal, Retry
from headgate.reasons import Reason
from headgate.wire.request import Request

STREAM = Operation("artifacts", Retry.NEVER, BodyHandling.STREAM)
LENGTH = Operation("runs", Retry.NEVER, BodyHandling.LENGTH, json_only=True)
SAFE = Operation("runs", Retry.SAFE, BodyHandling.LENGTH, json_only=True)
SAFE_STREAM = Operation("traces", Retry.SAFE, BodyHandling.STREAM, json_only=True)
REFUSED = Refuse(
    Refusal(Reason.UNAUTHENTICATED, "No key.", challenge=True, detail="no key"),
    Phase.AUTHENTICATE,
)


PRINCIPAL = Principal("k_00000001", "tests", AuthMethod.KEY)
Scripted = Operation | Redirect | Refuse | Exception | Callable[[Request], Decision]


@dataclass
class ScriptedDecider:
    """Looks a request up by its path.

    What ``script`` holds for the path is the decision: an operation forwards to ``pool``, an
    exception is raised, a function is called.  A path that is not in it is forwarded as ``STREAM``.
    ``decided`` are the requests, ``inspected`` those that were decided on with their bodies.
    """

    balancer: Balancer
    script: dict[bytes, Scripted] = field(
        default_factory=lambda: {
            b"/stream": STREAM,
            b"/length": LENGTH,
            b"/safe": SAFE,
            b"/safe-stream": SAFE_STREAM,
            b"/refused": REFUSED,
            b"/defect": RuntimeError("defect"),
            b"/redirect": Redirect(b"/elsewhere"),
        }
    )
    decided: list[Request] = field(default_factory=list)
    inspected: list[tuple[Request, bytes]] = field(default_factory=list)

    def decide(self, request: Request, caller: Caller) -> Decision:  # noqa: ARG002 - Decider's signature
        """Give the decision that the script has for the request's path."""
        self.decided.append(request)
        path, mark, query = request.target.partition(b"?")
        response = self.script.get(path, STREAM)
        if isinstance(response, Exception):
            raise response
        if isinstance(response, Operation):
            return Forward(self.route(response, path), mark + query, PRINCIPAL)
        return response(request) if callable(response) else response

    def route(
        self, operation: Operation, path: bytes = b"/", body_limit: ByteSize = NO_LIMIT
    ) -> Route:
        """A way through ``balancer``."""
        return Route(self.balancer, path, b"", operation, body_limit)

    def decide_body(
        self,
        request: Request,
        caller: Caller,  # noqa: ARG002 - Decider's signature
        asked: Inspect,
        body: bytes,
    ) -> Decision:
        """Let a request pass whose body was wanted, and keep that body."""
        self.inspected.append((request, body))
        return Forward(asked.route, asked.query, asked.principal)

    def reconsider(
        self,
        request: Request,
        caller: Caller,  # noqa: ARG002 - Decider's signature
        principal: Principal,  # noqa: ARG002
    ) -> Refusal | None:
        """What the script has for the request's path now, if that is a refusal."""
        response = self.script.get(request.target.partition(b"?")[0])
        return response.refusal if isinstance(response, Refuse) else None

    def is_otlp(self, request: Request) -> bool:
        """Whether the script has an operation of that protocol for the request's path."""
        operation = self.script.get(request.target)
        return isinstance(operation, Operation) and operation.otlp
