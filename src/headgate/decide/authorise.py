"""The phase authorise: whether the grants of a key allow a request.

The grants of most keys decide immediately.  Those of a key that is narrowed to names depend on the
names of the objects in the request, which are looked up first; where these stand in the body, the
body is collected before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from mypy_extensions import mypyc_attr

from headgate.config import Shields
from headgate.contract import Reader, table
from headgate.contract.get_message import query_of
from headgate.contract.query import is_empty
from headgate.dataplane.decisions import (
    Decision,
    Forward,
    Inspect,
    Pending,
    Refuse,
    Route,
)
from headgate.dataplane.failures import RETRY_AFTER, parked
from headgate.decide.examination import (
    MAX_PARAMETERS,
    TOO_MANY_PARAMETERS,
    Finding,
    ambiguous,
    examine,
    in_body,
    is_small,
)
from headgate.decide.examiner import Examiner
from headgate.decide.exports import read_export
from headgate.decide.judgement import Mention, judge_objects
from headgate.decide.object_names import values_of
from headgate.decide.resolver import Lookups, Resolver, UnresolvableError
from headgate.errors import Refusal
from headgate.maintenance.client_limits import SHORTEST_AFTER_HOLD
from headgate.model import ObjectField, Phase, Place, Principal, SizeClass
from headgate.policy import Allowed, Denied, NeedsObject, evaluate
from headgate.reasons import Reason
from headgate.shields import Shield
from headgate.shields.rules import misplaced_trace
from headgate.shields.trace_locations import TAG
from headgate.wire.errors import ProtocolError
from headgate.wire.request import GET_BODY_CURE, Request

_AMPERSAND: Final = ord("&")  # to look for it as bytes costs an exception, within Python
WORKSPACE: Final = b"x-mlflow-workspace"
_TRACES: Final = SizeClass.TRACES
GET_WITH_BODY: Final = Refusal(
    Reason.REQUEST_AMBIGUOUS,
    f"Headgate refused the request: it is a GET with a body, {GET_BODY_CURE}.",
)


@mypyc_attr(allow_interpreted_subclasses=True)  # the doubles of the tests are some
class Authoriser:
    """Decides on requests whose route and sender are known.

    Args:
        resolver_of: returns the resolver of an upstream, by its name.
        shield: checks the requests of all senders; by default one with every rule.
        examiner: reads large bodies in another process; without one the event loop reads them.
    """

    def __init__(
        self,
        resolver_of: Callable[[str], Resolver],
        shield: Shield | None = None,
        examiner: Examiner | None = None,
    ) -> None:
        self._resolver_of = resolver_of
        self._shield = shield if shield is not None else Shield(Shields())
        self._narrow_shield = self._shield.for_narrowed_keys()
        self._examiner = examiner

    def authorise(
        self, request: Request, route: Route, query: bytes, principal: Principal
    ) -> Decision:
        """Let the request pass, refuse it, or say what the decision needs."""
        ruling = _evaluate(request, route, principal)
        if isinstance(ruling, Denied):
            return _denied(ruling, principal)
        if request.fields.length and request.method == b"GET":
            if not route.reads.is_message_of_get:
                return Refuse(GET_WITH_BODY, Phase.AUTHORISE, principal)
            return Inspect(route, query, principal)
        return self._weigh(request, route, query, principal, ruling)

    def _weigh(
        self,
        request: Request,
        route: Route,
        query: bytes,
        principal: Principal,
        ruling: Allowed | NeedsObject,
    ) -> Decision:
        """Decide on a request that the grants allow, if only on some objects."""
        shield, operation = self._shield_for(ruling), route.operation
        if query:
            refusal = self._check_query(route, query, ruling)
            if refusal is not None:
                return Refuse(refusal, Phase.AUTHORISE, principal)
        needs = ruling if isinstance(ruling, NeedsObject) else None
        if needs is not None and shield is not self._shield:
            refusal = shield.check_path(operation, _path(route))
            if refusal is not None:
                return Refuse(refusal, Phase.AUTHORISE, principal)
        if shield.needs_body(operation) or (needs is not None and _needs_body(needs)):
            return Inspect(route, query, principal)
        forward = Forward(route, query, principal)
        if needs is not None:
            return Pending(self._judge(request, forward, needs, _NO_BODY), route, principal)
        return self._scanned(request, forward) if operation.size is _TRACES else forward

    def _shield_for(self, ruling: Allowed | NeedsObject) -> Shield:
        return self._narrow_shield if isinstance(ruling, NeedsObject) else self._shield

    def _check_query(
        self, route: Route, query: bytes, ruling: Allowed | NeedsObject
    ) -> Refusal | None:
        """The reason to refuse a query, with any key."""
        shield = self._shield_for(ruling)
        is_read = False
        if not _is_lone(query, route.lone_parameters):
            plain = route.plain_query
            is_read = plain is not None and plain.fullmatch(query) is None
        if len(query) > MAX_PARAMETERS and query.count(b"&") >= MAX_PARAMETERS:
            judged = isinstance(ruling, NeedsObject) or shield.needs_query(route.operation)
            if is_read or judged:
                return TOO_MANY_PARAMETERS
        try:
            if is_read:
                route.reads.query(query)
            return shield.check_query(route.operation, query)
        except ProtocolError as error:
            return ambiguous(error)

    def authorise_body(self, request: Request, asked: Inspect, body: bytes) -> Decision:
        """Decide with the whole body, after ``authorise`` has returned ``Inspect``."""
        principal, route = asked.principal, asked.route
        ruling = _evaluate(request, route, principal)
        if isinstance(ruling, Denied):
            return _denied(ruling, principal)
        if request.fields.length and request.method == b"GET":
            return self._weigh_get(request, asked, ruling, body)
        return self._weigh_body(request, Forward(route, asked.query, principal), ruling, body)

    def _weigh_body(
        self, request: Request, forward: Forward, ruling: Allowed | NeedsObject, body: bytes
    ) -> Decision:
        """Decide on a request by its body."""
        route, principal = forward.route, forward.principal
        if isinstance(ruling, NeedsObject) and route.operation.otlp:
            return Pending(self._judge_export(request, forward, ruling, body), route, principal)
        version, header = _version(route), request.fields.values
        shield = self._shield_for(ruling)
        if self._examiner is not None and not is_small(route.operation, version, shield, body):
            decision = self._examine_elsewhere(self._examiner, request, forward, ruling, body)
            return Pending(decision, route, principal)
        finding = examine(
            route.operation, version, _path(route), _fields(ruling), shield, header, body
        )
        if finding.refusal is not None:
            return Refuse(finding.refusal, Phase.AUTHORISE, principal)
        if isinstance(ruling, Allowed) and not finding.places:
            return forward
        return Pending(self._judge(request, forward, ruling, finding), route, principal)

    def _weigh_get(
        self, request: Request, asked: Inspect, ruling: Allowed | NeedsObject, body: bytes
    ) -> Decision:
        """Decide on a GET with a body; MLflow is sent a query in its place."""
        route, query, principal = asked.route, asked.query, asked.principal
        if is_empty(query):  # else MLflow does not look at the body
            try:
                query = query_of(body, request.fields.values, route.reads.message)
            except ProtocolError as error:
                return Refuse(ambiguous(error), Phase.AUTHORISE, principal)
        decision = self._weigh(request, route, query, principal, ruling)
        if isinstance(decision, Inspect):  # it would be asked for once more
            return Refuse(GET_WITH_BODY, Phase.AUTHORISE, principal)
        return decision

    async def _examine_elsewhere(
        self,
        examiner: Examiner,
        request: Request,
        forward: Forward,
        ruling: Allowed | NeedsObject,
        body: bytes,
    ) -> Decision:
        """Decide as ``authorise_body`` does, with a body that would block the event loop."""
        route = forward.route
        finding = await examiner.examine(
            request.method,
            _path(route),
            route.operation,
            _version(route),
            _fields(ruling),
            self._shield_for(ruling).settings,
            request.fields.values,
            body,
        )
        if finding.refusal is not None:
            return Refuse(finding.refusal, Phase.AUTHORISE, forward.principal)
        return await self._judge(request, forward, ruling, finding)

    def _scanned(self, request: Request, forward: Forward) -> Decision:
        """Let a request pass; its body may be scanned while it passes."""
        route, header = forward.route, request.fields.values
        try:
            forward.scan = self._shield.scan(route.operation, header, route.body_limit)
        except ProtocolError as error:
            return Refuse(ambiguous(error), Phase.AUTHORISE, forward.principal)
        return forward

    async def _judge_export(
        self, request: Request, forward: Forward, needs: NeedsObject, body: bytes
    ) -> Decision:
        """Judge a trace export by all that it names."""
        try:
            route = forward.route
            named = await read_export(request.fields.values, route.body_limit, body)
        except ProtocolError as error:
            return Refuse(ambiguous(error), Phase.AUTHORISE, forward.principal)
        if isinstance(named, Refusal):
            return Refuse(named, Phase.AUTHORISE, forward.principal)
        mentions = in_body(route.operation, needs.fields, request.fields.values, named)
        readers = table().readers(route.operation, _version(route))
        finding = Finding(None, (mentions,) * len(readers))
        return await self._judge(request, forward, needs, finding)

    async def _judge(
        self,
        request: Request,
        forward: Forward,
        ruling: Allowed | NeedsObject,
        finding: Finding,
    ) -> Decision:
        """Judge what the request names, as each MLflow that the upstream may be reads it.

        Then ask whether the places that its body claims for traces are their own.
        """
        route, principal = forward.route, forward.principal
        resolver = self._resolver_of(route.balancer.name)
        lookups = resolver.lookups(_workspace(request), principal)
        try:
            if isinstance(ruling, NeedsObject):
                denied = await _judge_named(request, forward, ruling, finding, lookups)
                if denied is not None:
                    return _denied(denied, principal)
            for each in finding.places:
                if await lookups.trace_place(each.trace_id, each.experiment_id) != each.location:
                    return Refuse(misplaced_trace(TAG), Phase.AUTHORISE, principal)
        except ProtocolError as error:
            return Refuse(ambiguous(error), Phase.AUTHORISE, principal)
        except UnresolvableError as error:
            return _not_found_out(error, principal)
        return forward


def _needs_body(needs: NeedsObject) -> bool:
    return any(field.place is Place.BODY for field in needs.fields)


async def _judge_named(
    request: Request,
    forward: Forward,
    needs: NeedsObject,
    finding: Finding,
    lookups: Lookups,
) -> Denied | None:
    """The denial for the objects that the request names, as any MLflow may read them."""
    route = forward.route
    judged: list[list[Mention]] = []
    for at, reader in enumerate(table().readers(route.operation, _version(route))):
        mentions = _mentions(request, forward, needs, reader)
        if finding.readings:
            mentions += finding.readings[at]
        if mentions in judged:
            continue
        judged.append(mentions)
        judgement = await judge_objects(needs, mentions, lookups)
        if isinstance(judgement, Denied):
            return judgement
    return None


def _mentions(
    request: Request, forward: Forward, needs: NeedsObject, reader: Reader
) -> list[Mention]:
    """Each object that the request names outside its body, as ``reader`` reads it.

    Raises:
        ProtocolError: MLflow would not read all of the query.
    """
    query = reader.query(forward.query, strict=True)
    return [
        (field, value)
        for field in needs.fields
        if field.place is not Place.BODY
        for value in values_of(
            needs.operation,
            field,
            path=_path(forward.route),
            query=query,
            header=request.fields.values,
            message={},
        )
    ]


def _fields(ruling: Allowed | NeedsObject) -> Sequence[ObjectField] | None:
    return ruling.fields if isinstance(ruling, NeedsObject) else None


def _path(route: Route) -> bytes:
    return route.canonical or route.path


def _version(route: Route) -> str:
    return route.dialect.version if route.dialect is not None else ""


def _is_lone(query: bytes, parameters: tuple[bytes, ...]) -> bool:
    """Whether a query is one of the parameters alone; ``startswith`` costs five times as much."""
    for parameter in parameters:
        if query[: len(parameter)] == parameter:
            return _AMPERSAND not in query
    return False


def _evaluate(
    request: Request, route: Route, principal: Principal
) -> Allowed | Denied | NeedsObject:
    return evaluate(
        principal.grants,
        route.operation,
        route.balancer.name,
        _workspace(request),
    )


def _workspace(request: Request) -> str | None:
    """The workspace that a request names, if it names one."""
    workspace = request.fields.values.get(WORKSPACE)
    return workspace.decode("latin-1").strip() if workspace is not None else None


def _denied(denied: Denied, principal: Principal) -> Refuse:
    refusal = Refusal(Reason.FORBIDDEN, denied.message, detail=f"lacks {denied.needed}")
    return Refuse(refusal, Phase.AUTHORISE, principal)


def _not_found_out(error: UnresolvableError, principal: Principal) -> Refuse:
    """MLflow failed, not the key: the refusal is temporary."""
    if error.reason is Reason.PARKED:  # since the request has begun to be looked into
        return Refuse(parked(str(error), SHORTEST_AFTER_HOLD), Phase.AUTHORISE, principal)
    refusal = Refusal(
        error.reason or Reason.UPSTREAM_ERROR,
        "Headgate could not look up in MLflow what this request names, and so not decide whether "
        f"your key may do this: {error}. Nothing was done; send this request again in a moment. "
        "`headgate doctor` on the gate's machine shows what is wrong.",
        retry_after=RETRY_AFTER,
        detail=str(error),
    )
    return Refuse(refusal, Phase.AUTHORISE, principal)


_NO_BODY: Final = Finding()
