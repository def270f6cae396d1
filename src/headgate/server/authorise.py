"""The phase authorise: whether a key may do what its request asks for.

Most keys are answered for at once.  A key that is narrowed to names has to wait until the objects
that its request names are looked up; where they stand in the body, that is collected first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from mypy_extensions import mypyc_attr

from headgate.config import Shields
from headgate.contract import Reader, table
from headgate.contract.body import read_json
from headgate.dataplane.failures import RETRY_AFTER
from headgate.dataplane.gate import Answered, Forward, Inspect, Pending, Refused, Route, Verdict
from headgate.errors import Refusal
from headgate.model import ObjectField, Operation, Phase, Place, Principal, Reason, SizeClass
from headgate.policy import Allowed, Denied, NeedsObject, decide
from headgate.server.exports import read_export
from headgate.server.judgement import judge_objects
from headgate.server.naming import values_of
from headgate.server.resolver import Lookups, Resolver, UnresolvableError
from headgate.shields import Shield
from headgate.shields.plan import is_export, sets_trace_tags
from headgate.shields.rules import misplaced_trace
from headgate.shields.trace_places import TAG, TracePlace
from headgate.wire.errors import ProtocolError
from headgate.wire.request import Request

WORKSPACE: Final = b"x-mlflow-workspace"
_TRACES: Final = SizeClass.TRACES
Mentions = list[tuple[ObjectField, str]]
"""The objects that a request names, each with the field it is named in."""


@mypyc_attr(allow_interpreted_subclasses=True)  # the doubles of the tests are some
class Authoriser:
    """Answers for requests whose route and sender are known.

    ``resolver_of`` gives the resolver of an upstream, by its name.  ``shield`` speaks for
    everybody's requests; by default as strictly as it can.
    """

    def __init__(
        self, resolver_of: Callable[[str], Resolver], shield: Shield | None = None
    ) -> None:
        self._resolver_of = resolver_of
        self._shield = shield if shield is not None else Shield(Shields())

    def place(self, operation: Operation, path: bytes) -> Refused | Answered | tuple[bytes, ...]:
        """What holds for every request with one method and path, whoever sends it.

        That it is refused, what it is answered without MLflow, or the lines that the head of
        MLflow's answer is to have.
        """
        own = self._shield.own_answer(operation)
        if own is not None:
            return Answered(own)
        refusal = self._shield.check_path(operation, path)
        if refusal is not None:
            return Refused(refusal, Phase.AUTHORISE)
        return self._shield.response_lines(operation)

    def authorise(
        self, request: Request, route: Route, query: bytes, principal: Principal
    ) -> Verdict:
        """Let the request pass, refuse it, or say what is needed to tell."""
        decision = _decide(request, route, principal)
        if isinstance(decision, Denied):
            return _denied(decision, principal)
        shield, operation = self._shield, route.operation
        if query:
            refused = self._check_query(route, query, principal)
            if refused is not None:
                return refused
        needs = decision if isinstance(decision, NeedsObject) else None
        if shield.needs_body(operation) or (needs is not None and _needs_body(needs)):
            return Inspect(route, query, principal)
        forward = Forward(route, query, principal)
        if needs is not None:
            return Pending(self._judge(request, forward, needs, {}), route, principal)
        return self._scanned(request, forward) if operation.size is _TRACES else forward

    def _check_query(self, route: Route, query: bytes, principal: Principal) -> Refused | None:
        """What speaks against a query, whoever sends it."""
        plain = route.plain_query
        try:
            if plain is not None and plain.fullmatch(query) is None:
                route.reads.query(query)
            refusal = self._shield.check_query(route.operation, query)
        except ProtocolError as error:
            return _ambiguous(error, principal)
        return None if refusal is None else Refused(refusal, Phase.AUTHORISE, principal.name)

    def authorise_body(self, request: Request, asked: Inspect, body: bytes) -> Verdict:
        """Decide with the whole body on what ``authorise`` answered ``Inspect`` to."""
        principal, route = asked.principal, asked.route
        decision = _decide(request, route, principal)
        if isinstance(decision, Denied):
            return _denied(decision, principal)
        forward = Forward(route, asked.query, principal)
        if isinstance(decision, NeedsObject) and is_export(route.operation):
            return Pending(self._judge_export(request, forward, decision, body), route, principal)
        try:
            message = read_json(body, request.fields.known)
            places = self._check_body(route, message, narrowed=isinstance(decision, NeedsObject))
        except ProtocolError as error:
            return _ambiguous(error, principal)
        if isinstance(places, Refusal):
            return Refused(places, Phase.AUTHORISE, principal.name)
        if isinstance(decision, Allowed) and not places:
            return forward
        verdict = self._judge(request, forward, decision, message, places)
        return Pending(verdict, route, principal)

    def _check_body(
        self, route: Route, message: dict[str, Any], *, narrowed: bool
    ) -> Sequence[TracePlace] | Refusal:
        """What speaks against a body, or where it says that the data of traces lie.

        Raises:
            ProtocolError: MLflow would not read all of it.
        """
        shield, operation = self._shield, route.operation
        tagging = sets_trace_tags(operation)
        # What a narrowed key sends is read, strictly, when it is judged.
        read = route.reads.body(message) if tagging or not narrowed else {}
        refusal = shield.check_body(operation, message)
        if refusal is not None or not tagging:
            return refusal or ()
        path = route.canonical or route.path
        return shield.trace_places(operation, path, message, read, always=narrowed)

    def _scanned(self, request: Request, forward: Forward) -> Verdict:
        """Let a request pass whose body may be looked at meanwhile."""
        route, known = forward.route, request.fields.known
        try:
            forward.scan = self._shield.scan(route.operation, known, route.body_limit)
        except ProtocolError as error:
            return _ambiguous(error, forward.principal)
        return forward

    async def _judge_export(
        self, request: Request, forward: Forward, needs: NeedsObject, body: bytes
    ) -> Verdict:
        """Judge a trace export by all that it names."""
        try:
            named = await read_export(request.fields.known, forward.route.body_limit, body)
        except ProtocolError as error:
            return _ambiguous(error, forward.principal)
        if isinstance(named, Refusal):
            return Refused(named, Phase.AUTHORISE, forward.principal.name)
        return await self._judge(request, forward, needs, named)

    async def _judge(
        self,
        request: Request,
        forward: Forward,
        decision: Allowed | NeedsObject,
        message: dict[str, Any],
        places: Sequence[TracePlace] = (),
    ) -> Verdict:
        """Weigh what the request names, as each MLflow that this may be reads it.

        Then ask whether the ``places`` that it claims for traces are their own.
        """
        route, principal = forward.route, forward.principal
        lookups = self._resolver_of(route.balancer.cluster.name).lookups(_workspace(request))
        try:
            if isinstance(decision, NeedsObject):
                denied = await _judge_named(request, forward, decision, message, lookups)
                if denied is not None:
                    return _denied(denied, principal)
            for each in places:
                if await lookups.trace_place(each.trace_id, each.experiment_id) != each.location:
                    return Refused(misplaced_trace(TAG), Phase.AUTHORISE, principal.name)
        except ProtocolError as error:
            return _ambiguous(error, principal)
        except UnresolvableError as error:
            return _not_found_out(error, principal)
        return forward


def _needs_body(needs: NeedsObject) -> bool:
    return any(field.place is Place.BODY for field in needs.fields)


async def _judge_named(
    request: Request,
    forward: Forward,
    needs: NeedsObject,
    message: dict[str, Any],
    lookups: Lookups,
) -> Denied | None:
    """What speaks against the objects that the request names, as each MLflow may read it."""
    route = forward.route
    judged: list[Mentions] = []
    for reader in table().readers(route.operation, _version(route)):
        mentions = _mentions(request, forward, needs, message, reader)
        if mentions in judged:
            continue
        judged.append(mentions)
        judgement = await judge_objects(needs, mentions, lookups)
        if isinstance(judgement, Denied):
            return judgement
    return None


def _mentions(
    request: Request,
    forward: Forward,
    needs: NeedsObject,
    message: dict[str, Any],
    reader: Reader,
) -> Mentions:
    """Each object that the request names, as ``reader`` reads it.

    Raises:
        ProtocolError: MLflow would not read all of the request.
    """
    route = forward.route
    query = reader.query(forward.query, strict=True)
    exported = is_export(route.operation)  # what it names has been read already
    read = message if exported else reader.body(message, strict=True)
    return [
        (field, value)
        for field in needs.fields
        for value in values_of(
            needs.operation,
            field,
            path=route.canonical or route.path,
            query=query,
            known=request.fields.known,
            message=read,
        )
    ]


def _version(route: Route) -> str:
    return route.dialect.version if route.dialect is not None else ""


def _decide(request: Request, route: Route, principal: Principal) -> Allowed | Denied | NeedsObject:
    return decide(
        principal.grants,
        route.operation,
        route.balancer.cluster.name,
        _workspace(request),
    )


def _workspace(request: Request) -> str | None:
    """The workspace that a request names, if it names one."""
    workspace = request.fields.known.get(WORKSPACE)
    return workspace.decode("latin-1").strip() if workspace is not None else None


def _denied(denied: Denied, principal: Principal) -> Refused:
    refusal = Refusal(Reason.FORBIDDEN, denied.message, detail=f"lacks {denied.needed}")
    return Refused(refusal, Phase.AUTHORISE, principal.name)


def _not_found_out(error: UnresolvableError, principal: Principal) -> Refused:
    """MLflow failed, and not the key: to be refused for ever would be the wrong thing to hear."""
    refusal = Refusal(
        error.reason or Reason.UPSTREAM_ERROR,
        "Headgate could not ask MLflow what this request names, and so not tell whether your key "
        f"may do this: {error}. Nothing was done; send this request again in a moment. "
        "`headgate doctor` on the gate's machine shows what is wrong.",
        retry_after=RETRY_AFTER,
        detail=str(error),
    )
    return Refused(refusal, Phase.AUTHORISE, principal.name)


def _ambiguous(error: ProtocolError, principal: Principal) -> Refused:
    refusal = Refusal(
        error.reason,
        f"Headgate refused the request: {error.message}.",
        error_code=error.error_code,
    )
    return Refused(refusal, Phase.AUTHORISE, principal.name)
