"""The decisions on a request, in the order of its life.

canonicalise, classify, authenticate, authorise.  Canonicalising comes first, because everything
after it must speak of the path that MLflow will execute.  A stranger who asks for a route that
does not exist is asked for a key, not told so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from headgate.auth.chain import AuthenticatorChain, Waiting
from headgate.auth.refusals import for_client, for_exporters
from headgate.config import Limits
from headgate.contract import TranslatedRequest, classify, table, translate
from headgate.contract.former import is_former
from headgate.dataplane.balancer import Balancer
from headgate.dataplane.decisions import (
    Authenticating,
    Caller,
    Decision,
    Forward,
    Inspect,
    Redirect,
    Refuse,
    Respond,
    Route,
)
from headgate.dataplane.failures import malformed
from headgate.decide.authorise import GET_WITH_BODY, Authoriser
from headgate.decide.senders import Senders
from headgate.errors import Refusal
from headgate.model import NOBODY, Phase, Principal, SizeClass
from headgate.reasons import Reason
from headgate.wire.errors import ProtocolError, ambiguous
from headgate.wire.request import METHODS, Request
from headgate.wire.request_fields import RequestFields
from headgate.wire.site import Site, why_foreign
from headgate.wire.target import Target, canonicalise

_NUMBER_SIGN: Final = ord("#")  # to look for it as bytes costs an exception, within Python
# Clients that join an address with a final slash and a path; R's does so with file.path().
_AFTER_SLASH: Final = re.compile(rb"//(?:ajax-)?api/")
_SAFE_METHODS: Final = frozenset({b"GET", b"HEAD", b"OPTIONS"})


_Place = Route | Redirect | Respond | Refuse
"""What the method and the path of a request lead to, whoever sends it."""
REMEMBERED_ROUTES: Final = 4096
REMEMBERED_PATH: Final = 512
"""Longest path that is remembered: they are remembered before anybody is asked for a key."""


class Pipeline:
    """Decides on requests; one for each worker.

    Args:
        chain: identifies the senders of requests.
        authorise: answers whether that is allowed.
        balancers: the upstreams by public prefix, each prefix without a final slash.
        control: the way to the gate's own pages.
        limits: bounds on bodies.
        site: the names under which clients reach the gate.
        guards_host: whether every request must name one of them in ``Host``.
    """

    def __init__(
        self,
        chain: AuthenticatorChain,
        authorise: Authoriser,
        balancers: Mapping[str, Balancer],
        control: Balancer,
        limits: Limits,
        *,
        site: Site | None = None,
        guards_host: bool = False,
    ) -> None:
        self._site = site if site is not None else Site()
        self._guards_host = guards_host
        self._senders = Senders(chain)
        self._authorise = authorise
        self._body_limits = {
            SizeClass.API: limits.body_bytes,
            SizeClass.TRACES: limits.trace_body_bytes,
            SizeClass.ARTIFACTS: limits.artifact_body_bytes,
        }
        self._control = control
        # What a method and a path as sent lead to: it depends on nothing else.
        self._routes: dict[tuple[bytes, bytes], Route] = {}
        self._balancers = {prefix.encode("ascii"): each for prefix, each in balancers.items()}
        longest_first = sorted(filter(None, self._balancers), key=len, reverse=True)
        self._prefix = re.compile(b"(?:%b)(?=/|$)" % b"|".join(map(re.escape, longest_first)))

    def decide(self, request: Request, caller: Caller) -> Decision:
        """Whether the request may pass, and where to."""
        path, mark, query = request.target.partition(b"?")
        place: _Place
        known = self._routes.get((request.method, path))
        if self._guards_host and not self._site.is_called(request.fields):
            place = _OTHER_HOST
        # It holds as long as the upstream speaks the dialect that it was found for.
        elif (
            known is None
            or known.dialect is not known.balancer.terms.dialect
            or _NUMBER_SIGN in query
        ):
            place = self._place(request)
        else:
            place = known
        if isinstance(place, Route) and place.operation.public:
            return self._pass_public(request, place, mark + query, caller)
        if isinstance(place, Refuse) and place.phase is Phase.CANONICALISE:
            return place
        sender = self._senders.identify(request.fields, caller)
        if isinstance(sender, Waiting):
            return Authenticating(self._decide_later(sender, request, place, mark + query, caller))
        return self._decide_for(sender, request, place, mark + query, caller)

    async def _decide_later(
        self,
        waiting: Waiting,
        request: Request,
        place: _Place,
        query: bytes,
        caller: Caller,
    ) -> Decision:
        """Decide on a request whose sender takes I/O to identify."""
        sender = await self._senders.finish(waiting, request.fields, caller)
        return self._decide_for(sender, request, place, query, caller)

    def _decide_for(
        self,
        sender: Principal | Refusal,
        request: Request,
        place: _Place,
        query: bytes,
        caller: Caller,
    ) -> Decision:
        """Decide on a request whose sender is identified or refused."""
        if isinstance(place, Route) and place.operation.public:
            return Forward(place, query, sender if isinstance(sender, Principal) else NOBODY)
        if isinstance(sender, Refusal):
            exports = isinstance(place, Route) and place.operation.otlp
            told = _for_client(sender, request.fields)
            return Refuse(for_exporters(told) if exports else told, Phase.AUTHENTICATE)
        if not isinstance(place, Route):
            return place if isinstance(place, Redirect) else _for(place, sender)
        if b"origin" in request.fields.values and self._is_foreign_write(request):
            return Refuse(_foreign_write(request, caller), Phase.AUTHORISE, sender)
        return self._authorise.authorise(request, place, query, sender)

    def decide_body(
        self,
        request: Request,
        caller: Caller,  # noqa: ARG002 - the signature is Decider's
        asked: Inspect,
        body: bytes,
    ) -> Decision:
        """Decide with the whole body on what ``decide`` answered ``Inspect`` to."""
        return self._authorise.authorise_body(request, asked, body)

    def is_otlp(self, request: Request) -> bool:
        """Whether a request is one of the OpenTelemetry protocol."""
        try:
            target = canonicalise(request.target, request.fields.host)
        except ProtocolError:
            return False
        _, path = self._split(target.path)
        operation = classify(request.method, path)
        return operation is not None and operation.otlp

    def _pass_public(
        self, request: Request, route: Route, query: bytes, caller: Caller
    ) -> Decision:
        """Let a request pass that anybody may send; who holds a good key may see more."""
        fields = request.fields
        if fields.length and request.method == b"GET":
            return Refuse(GET_WITH_BODY, Phase.AUTHORISE)
        if b"authorization" not in fields.values and b"x-api-key" not in fields.values:
            return Forward(route, query, NOBODY)
        sender = self._senders.identify(fields, caller)
        if isinstance(sender, Waiting):
            return Authenticating(self._decide_later(sender, request, route, query, caller))
        return self._decide_for(sender, request, route, query, caller)

    def _place(self, request: Request) -> _Place:
        """Canonicalise and classify: where the request's method and path lead."""
        try:
            target = canonicalise(request.target, request.fields.host)
        except ProtocolError as error:
            return _ambiguous(error, request)
        prefix, path = self._split(target.path)
        balancer = self._balancers.get(prefix)
        if not path and balancer is not None:
            if b"text/html" in request.fields.values.get(b"accept", b""):
                return Redirect(prefix + b"/" + target.query)
            path = b"/"
        operation = classify(request.method, path)
        if operation is not None and operation.gate_page:
            balancer = self._control
        artifact = operation is not None and operation.ends_in_artifact
        if operation is None or balancer is None or (target.loose and not artifact):
            return _nowhere(request, target, path if balancer is not None else b"")
        lines = self._authorise.place(operation, path)
        if isinstance(lines, Refuse | Respond):
            return lines
        dialect = balancer.terms.dialect
        spoken = TranslatedRequest(path, operation.body)
        if dialect.version:
            found = translate(request.method, operation, path, dialect)
            if isinstance(found, Refusal):
                return Refuse(found, Phase.CLASSIFY)
            spoken = found
        reads = table().reader(operation)
        limit = balancer.terms.body_limits.get(operation.size, self._body_limits[operation.size])
        route = Route(
            balancer,
            spoken.path,
            prefix,
            operation,
            limit,
            body=spoken.body,
            dialect=dialect,
            canonical=path,
            response_lines=lines,
            reads=reads,
            plain_query=reads.plain_query,
            lone_parameters=reads.lone_parameters,
        )
        sent = request.target.partition(b"?")[0]
        if path != b"/" and sent.startswith(b"/") and len(sent) <= REMEMBERED_PATH:
            if len(self._routes) >= REMEMBERED_ROUTES:
                self._routes.clear()
            self._routes[request.method, sent] = route
        return route

    def _is_foreign_write(self, request: Request) -> bool:
        """Whether a page of another site wants to change something (CSRF)."""
        return request.method not in _SAFE_METHODS and not self._site.is_own_page(request.fields)

    def _split(self, path: bytes) -> tuple[bytes, bytes]:
        """The public prefix of a path and the rest."""
        match = self._prefix.match(path)
        if match is None:
            return b"", path
        end = match.end()
        return path[:end], path[end:]


_OTHER_HOST: Final = Refuse(
    Refusal(
        Reason.FORBIDDEN,
        "Headgate refused the request: without keys (auth.mode = 'none') it serves requests only "
        "whose Host is localhost, 127.0.0.1, [::1] or its own address, since a page of any site "
        "could reach MLflow under a name that leads here. Use such an address; or set "
        "listen.public_names to the name in Host, or auth.mode to 'keys'.",
    ),
    Phase.CANONICALISE,
)


def _foreign_write(request: Request, caller: Caller) -> Refusal:
    return Refusal(
        Reason.FORBIDDEN,
        "Headgate refused the request: a page of another site tried to change something here: "
        f"{why_foreign(request.fields, caller.address)}. Open MLflow's page under the gate's own "
        "address.",
    )


def _for(place: Respond | Refuse, principal: Principal) -> Respond | Refuse:
    return replace(place, principal=principal)


def _ambiguous(error: ProtocolError, request: Request) -> Refuse:
    """The target has no single meaning, of which the sender is told without a key."""
    told = malformed(error)
    if _AFTER_SLASH.search(request.target):
        cure = " Remove the slash at the end of MLFLOW_TRACKING_URI."
        told = replace(told, message=told.message + cure)
    return Refuse(told, Phase.CANONICALISE)


def _for_client(refusal: Refusal, fields: RequestFields) -> Refusal:
    user_agent = fields.values.get(b"user-agent", b"")
    return for_client(refusal, fields.credentials.authorization, user_agent)


def _nowhere(request: Request, target: Target, path: bytes) -> Refuse:
    """The target leads to no route, or has what only the name of an artifact may have."""
    if target.loose:
        return _ambiguous(ambiguous(f"the path {target.loose}"), request)
    return Refuse(_unknown_route(request, target, path), Phase.CLASSIFY)


def _unknown_route(request: Request, target: Target, path: bytes) -> Refusal:
    allowed = tuple(method for method in sorted(METHODS) if classify(method, path) is not None)
    if allowed and request.method not in allowed:
        methods = b", ".join(allowed).decode("ascii")
        return Refusal(
            Reason.ROUTE_UNKNOWN,
            f"Headgate knows {target.path.decode('ascii')} with {methods} alone, and not with "
            f"{request.method.decode('ascii')}.",
            status=405,
            allow=allowed,
        )
    if is_former(path):
        return Refusal(
            Reason.ROUTE_UNKNOWN,
            f"Headgate knows no MLflow route {request.method.decode('ascii')} "
            f"{target.path.decode('ascii')}: it is one of MLflow 1.x, which MLflow 2.0 removed. "
            "Upgrade the client: pip install --upgrade mlflow.",
            phrase="a route of MLflow 1.x, upgrade the client",
        )
    return Refusal(
        Reason.ROUTE_UNKNOWN,
        f"Headgate knows no MLflow route {request.method.decode('ascii')} "
        f"{target.path.decode('ascii')}. Check the path, and that MLFLOW_TRACKING_URI names the "
        "gate as its address was given to you.",
    )
