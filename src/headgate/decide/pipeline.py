"""The decisions on a request, in the order of its phases.

Canonicalise, classify, authenticate, authorise.  Canonicalising comes first, because all later
phases must decide on the path that MLflow will execute.  A client without a key that asks for a
route that does not exist gets 401, not 404.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from headgate.auth.chain import AuthenticatorChain, Waiting
from headgate.auth.refusals import for_client, for_exporters
from headgate.config import Limits
from headgate.contract import TranslatedRequest, table, translate
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
from headgate.dataplane.failures import changed_while_held
from headgate.decide.authorise import GET_WITH_BODY, Authoriser
from headgate.decide.routing import Found, Router
from headgate.decide.senders import Senders
from headgate.errors import Refusal
from headgate.limits import Strangers
from headgate.model import NOBODY, Phase, Principal, SizeClass
from headgate.reasons import Reason
from headgate.wire.request import Request
from headgate.wire.request_fields import RequestFields
from headgate.wire.site import Site, why_foreign

_NUMBER_SIGN: Final = ord("#")  # to look for it as bytes costs an exception, within Python
_SAFE_METHODS: Final = frozenset({b"GET", b"HEAD", b"OPTIONS"})


_Destination = Route | Redirect | Respond | Refuse
"""Where the method and the path of a request lead, for every sender."""
MAX_CACHED_ROUTES: Final = 4096
MAX_CACHED_PATH: Final = 512
"""Bytes; routes are cached before the sender is authenticated."""


class Pipeline:
    """Decides on requests; one for each worker.

    Args:
        chain: identifies the senders of requests.
        authorise: decides whether a sender may do what a request asks for.
        router: finds the route of a request.
        balancers: the upstreams by their names.
        control: the gate's own pages.
        limits: bounds on bodies.
        site: the names under which clients reach the gate.
        guards_host: whether every request must name one of them in ``Host``.
        strangers: throttles failed authentications; by default nothing does.
    """

    def __init__(
        self,
        chain: AuthenticatorChain,
        authorise: Authoriser,
        router: Router,
        balancers: Mapping[str, Balancer],
        control: Balancer,
        limits: Limits,
        *,
        site: Site | None = None,
        guards_host: bool = False,
        strangers: Strangers | None = None,
    ) -> None:
        self._site = site if site is not None else Site()
        self._guards_host = guards_host
        self._senders = Senders(chain, strangers)
        self._authorise = authorise
        self._body_limits = {
            SizeClass.API: limits.body_bytes,
            SizeClass.TRACES: limits.trace_body_bytes,
            SizeClass.ARTIFACTS: limits.artifact_body_bytes,
        }
        self._router = router
        self._balancers = {"": control, **balancers}
        # By method and path as sent, on which alone a route depends.
        self._routes: dict[tuple[bytes, bytes], Route] = {}

    def decide(self, request: Request, caller: Caller) -> Decision:
        """Whether the request may pass, and where to."""
        path, mark, query = request.target.partition(b"?")
        destination: _Destination
        cached = self._routes.get((request.method, path))
        if self._guards_host and not self._site.is_called(request.fields):
            destination = _OTHER_HOST
        # It is valid for as long as the upstream has the dialect that it was translated into.
        elif (
            cached is None
            or cached.dialect is not cached.balancer.terms.dialect
            or _NUMBER_SIGN in query
        ):
            destination = self._find(request)
        else:
            destination = cached
        if isinstance(destination, Route) and destination.operation.public:
            return self._pass_public(request, destination, mark + query, caller)
        if isinstance(destination, Refuse) and destination.phase is Phase.CANONICALISE:
            return destination
        sender = self._senders.identify(request.fields, caller)
        if isinstance(sender, Waiting):
            return Authenticating(
                self._decide_later(sender, request, destination, mark + query, caller)
            )
        return self._decide_for(sender, request, destination, mark + query, caller)

    async def _decide_later(
        self,
        waiting: Waiting,
        request: Request,
        destination: _Destination,
        query: bytes,
        caller: Caller,
    ) -> Decision:
        """Decide on a request whose sender takes I/O to identify."""
        sender = await self._senders.finish(waiting, request.fields, caller)
        return self._decide_for(sender, request, destination, query, caller)

    def _decide_for(
        self,
        sender: Principal | Refusal,
        request: Request,
        destination: _Destination,
        query: bytes,
        caller: Caller,
    ) -> Decision:
        """Decide on a request whose sender is identified or refused."""
        if isinstance(destination, Route) and destination.operation.public:
            return Forward(destination, query, sender if isinstance(sender, Principal) else NOBODY)
        if isinstance(sender, Refusal):
            exports = isinstance(destination, Route) and destination.operation.otlp
            refusal = _for_client(sender, request.fields)
            return Refuse(for_exporters(refusal) if exports else refusal, Phase.AUTHENTICATE)
        if not isinstance(destination, Route):
            return destination if isinstance(destination, Redirect) else _for(destination, sender)
        if b"origin" in request.fields.values and self._is_foreign_write(request):
            return Refuse(_foreign_write(request, caller), Phase.AUTHORISE, sender)
        return self._authorise.authorise(request, destination, query, sender)

    def decide_body(
        self,
        request: Request,
        caller: Caller,  # noqa: ARG002 - the signature is Decider's
        asked: Inspect,
        body: bytes,
    ) -> Decision:
        """Decide with the whole body, after ``decide`` has returned ``Inspect``."""
        return self._authorise.authorise_body(request, asked, body)

    def reconsider(self, request: Request, caller: Caller, principal: Principal) -> Refusal | None:
        """Why a request may not pass any more that has waited after it was decided on."""
        if not principal.id:
            return None  # its route is public
        sender = self._senders.identify(request.fields, caller)
        if sender is principal:
            return None
        if isinstance(sender, Refusal):
            return _for_client(sender, request.fields)
        if (
            isinstance(sender, Principal)
            and sender == principal
            and sender.grants == principal.grants
        ):
            return None
        return changed_while_held()  # also where it takes I/O to tell

    def is_otlp(self, request: Request) -> bool:
        """Whether a request is one of the OpenTelemetry protocol."""
        return self._router.is_otlp(request.method, request.target, request.fields.host)

    def _pass_public(
        self, request: Request, route: Route, query: bytes, caller: Caller
    ) -> Decision:
        """Let a request for a public route pass; the holder of a valid key may see more."""
        fields = request.fields
        if fields.length and request.method == b"GET":
            return Refuse(GET_WITH_BODY, Phase.AUTHORISE)
        if b"authorization" not in fields.values and b"x-api-key" not in fields.values:
            return Forward(route, query, NOBODY)
        sender = self._senders.identify(fields, caller)
        if isinstance(sender, Waiting):
            return Authenticating(self._decide_later(sender, request, route, query, caller))
        return self._decide_for(sender, request, route, query, caller)

    def _find(self, request: Request) -> _Destination:
        """Canonicalise and classify: find the route, and translate it for its upstream."""
        found = self._router.find(
            request.method,
            request.target,
            request.fields.host,
            is_browser=b"text/html" in request.fields.values.get(b"accept", b""),
        )
        if not isinstance(found, Found):
            return found
        operation, balancer = found.operation, self._balancers[found.upstream]
        dialect = balancer.terms.dialect
        translated = TranslatedRequest(found.path, operation.body)
        if dialect.version:
            sent = translate(request.method, operation, found.path, dialect)
            if isinstance(sent, Refusal):
                return Refuse(sent, Phase.CLASSIFY)
            translated = sent
        reads = table().reader(operation)
        limit = balancer.terms.body_limits.get(operation.size, self._body_limits[operation.size])
        route = Route(
            balancer,
            translated.path,
            found.prefix,
            operation,
            limit,
            body=translated.body,
            dialect=dialect,
            canonical=found.path,
            response_lines=found.response_lines,
            reads=reads,
            plain_query=reads.plain_query,
            lone_parameters=reads.lone_parameters,
        )
        self._cache(request, route)
        return route

    def _cache(self, request: Request, route: Route) -> None:
        """Keep a route for requests with the same method and path."""
        path = request.target.partition(b"?")[0]
        # The root of a prefix may lead to a redirect, and a target in absolute form names a host.
        if route.canonical != b"/" and path.startswith(b"/") and len(path) <= MAX_CACHED_PATH:
            if len(self._routes) >= MAX_CACHED_ROUTES:
                self._routes.clear()
            self._routes[request.method, path] = route

    def _is_foreign_write(self, request: Request) -> bool:
        """Whether a page of another site wants to change something (CSRF)."""
        return request.method not in _SAFE_METHODS and not self._site.is_own_page(request.fields)


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


def _for(destination: Respond | Refuse, principal: Principal) -> Respond | Refuse:
    return replace(destination, principal=principal)


def _for_client(refusal: Refusal, fields: RequestFields) -> Refusal:
    user_agent = fields.values.get(b"user-agent", b"")
    return for_client(refusal, fields.credentials.authorization, user_agent)
