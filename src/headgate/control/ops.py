"""Which of the gate's own pages the operators' listener serves, and to whom.

Load balancers, Kubernetes and Prometheus have neither a key nor a client certificate.  What they
are shown has no names and no addresses of the inside: status words and numbers.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final

from headgate.contract import table
from headgate.dataplane.balancer import Balancer
from headgate.dataplane.decisions import Caller, Decision, Forward, Inspect, Refuse, Route
from headgate.dataplane.failures import malformed
from headgate.dataplane.terms import GATE_BODY_BYTES
from headgate.errors import Refusal
from headgate.model import NOBODY, Operation, Phase, Principal
from headgate.reasons import Reason
from headgate.wire.errors import ProtocolError
from headgate.wire.request import Request
from headgate.wire.site import Site, read_authority
from headgate.wire.target import origin_form

PAGES: Final = {b"/livez": "gate/livez", b"/readyz": "gate/readyz", b"/metrics": "gate/metrics"}
"""The pages by their short paths; each has its path on the main listener too."""
_METHODS: Final = (b"GET", b"HEAD")

_OTHER_HOST: Final = Refuse(
    Refusal(
        Reason.FORBIDDEN,
        "Headgate refused the request: the operators' listener serves requests whose Host is an IP "
        "address, localhost or its own name, since a web page can make its own name lead here. Use "
        "an IP address, or add the name in Host to ops.hosts.",
    ),
    Phase.CANONICALISE,
)
_OTHER_PAGE: Final = Refuse(
    Refusal(
        Reason.ROUTE_UNKNOWN,
        "No such page: the operators' listener serves /livez, /readyz and /metrics (also as "
        "/-/livez, /-/readyz and /-/metrics), and nothing else. MLflow is at the gate's main "
        "address.",
        phrase="the operators' listener has no such page",
    ),
    Phase.CLASSIFY,
)
_OTHER_METHOD: Final = Refuse(
    Refusal(
        Reason.ROUTE_UNKNOWN,
        "The operators' listener serves GET and HEAD, and no other method.",
        status=405,
        phrase="the operators' listener serves GET and HEAD",
        allow=_METHODS,
    ),
    Phase.CLASSIFY,
)
_WITH_BODY: Final = Refuse(
    Refusal(
        Reason.REQUEST_AMBIGUOUS,
        "Headgate refused the request: it is a GET with a body. Send it without one.",
    ),
    Phase.CLASSIFY,
)


class OpsDecider:
    """Decides on the requests of the operators' listener.

    Args:
        control: the gate's own pages.
        listener: the host name or address that the listener has in the configuration.
        hosts: further names that ``Host`` may have.
    """

    def __init__(self, control: Balancer, listener: str, hosts: Iterable[str]) -> None:
        self._site = Site(listener, hosts)
        self._routes: dict[bytes, Route] = {}
        operations = {row.operation.name: row.operation for row in table().gate_pages}
        for short, name in PAGES.items():
            route = _route(control, operations[name])
            self._routes[short] = self._routes[route.path] = route

    def decide(self, request: Request, caller: Caller) -> Decision:  # noqa: ARG002 - Decider's signature
        """Let a request for one of the pages pass, from anybody; see ``Decider``."""
        fields = request.fields
        if fields.host and not self._is_called(fields.host):
            return _OTHER_HOST
        target = request.target
        try:
            if not target.startswith(b"/"):
                target = origin_form(target, fields.host)
        except ProtocolError as error:
            return Refuse(malformed(error), Phase.CANONICALISE)
        # As they are written and in no other spelling: nobody has a reason to ask for one.
        route = self._routes.get(target.partition(b"?")[0])
        if route is None:
            return _OTHER_PAGE
        if request.method not in _METHODS:
            return _OTHER_METHOD
        if fields.length:
            return _WITH_BODY
        return Forward(route, b"", NOBODY)

    def reconsider(
        self,
        request: Request,  # noqa: ARG002 - Decider's signature
        caller: Caller,  # noqa: ARG002
        principal: Principal,  # noqa: ARG002
    ) -> Refusal | None:
        """Let it pass: who asks is not identified; see ``Decider``."""
        return None

    def decide_body(
        self, request: Request, caller: Caller, asked: Inspect, body: bytes
    ) -> Decision:
        """No request of this listener is asked for its body; see ``Decider``."""
        raise NotImplementedError

    def is_otlp(self, request: Request) -> bool:  # noqa: ARG002 - Decider's signature
        """No request of this listener is one of the OpenTelemetry protocol."""
        return False

    def _is_called(self, host: bytes) -> bool:
        """Whether ``Host`` is one of ours, or an address: no page has an address as its own name.

        So DNS rebinding needs a name.  Health checks send the address of their target, which is
        none of this machine's where a port is mapped (Docker, ``hostPort`` of Kubernetes).
        """
        if self._site.has(host):
            return True
        read = read_authority(host)
        try:
            return read is not None and bool(ipaddress.ip_address(read.host.strip("[]")))
        except ValueError:
            return False


def _route(control: Balancer, page: Operation) -> Route:
    path = page.path.encode("ascii")
    return Route(control, path, b"", page, GATE_BODY_BYTES, canonical=path)
