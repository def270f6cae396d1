"""The phase authorise: whether a key may do what its request asks for.

Most keys are answered for at once.  A key that is narrowed to names has to wait until the objects
that its request names are looked up; where they stand in the body, that is collected first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from mypy_extensions import mypyc_attr

from headgate.config import Shields
from headgate.contract import Reader, table
from headgate.contract.body import read_json
from headgate.dataplane.failures import RETRY_AFTER
from headgate.dataplane.gate import Answered, Forward, Inspect, Pending, Refused, Route, Verdict
from headgate.errors import Refusal
from headgate.model import ObjectField, Operation, Phase, Place, Principal, Reason
from headgate.policy import Allowed, Denied, NeedsObject, decide
from headgate.server.judgement import judge_objects
from headgate.server.naming import values_of
from headgate.server.resolver import Resolver, UnresolvableError
from headgate.shields import Shield
from headgate.wire.errors import ProtocolError
from headgate.wire.request import Request

WORKSPACE: Final = b"x-mlflow-workspace"
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
        if shield.needs_body(operation):
            return Inspect(route, query, principal)
        if isinstance(decision, Allowed):
            return Forward(route, query, principal)
        if any(field.place is Place.BODY for field in decision.fields):
            return Inspect(route, query, principal)
        forward = Forward(route, query, principal)
        return Pending(self._judge(request, forward, decision, {}), route, principal)

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
        principal = asked.principal
        decision = _decide(request, asked.route, principal)
        if isinstance(decision, Denied):
            return _denied(decision, principal)
        try:
            message = read_json(body, request.fields.known)
            if isinstance(decision, Allowed):
                asked.route.reads.body(message)
        except ProtocolError as error:
            return _ambiguous(error, principal)
        refusal = self._shield.check_body(asked.route.operation, message)
        if refusal is not None:
            return Refused(refusal, Phase.AUTHORISE, principal.name)
        forward = Forward(asked.route, asked.query, principal)
        if isinstance(decision, Allowed):
            return forward
        return Pending(self._judge(request, forward, decision, message), asked.route, principal)

    async def _judge(
        self,
        request: Request,
        forward: Forward,
        needs: NeedsObject,
        message: dict[str, Any],
    ) -> Verdict:
        """Weigh what the request names, as each MLflow that this may be reads it."""
        route = forward.route
        lookups = self._resolver_of(route.balancer.cluster.name).lookups(_workspace(request))
        judged: list[Mentions] = []
        try:
            for reader in table().readers(route.operation, _version(route)):
                mentions = _mentions(request, forward, needs, message, reader)
                if mentions in judged:
                    continue
                judged.append(mentions)
                judgement = await judge_objects(needs, mentions, lookups)
                if isinstance(judgement, Denied):
                    return _denied(judgement, forward.principal)
        except ProtocolError as error:
            return _ambiguous(error, forward.principal)
        except UnresolvableError as error:
            return _not_found_out(error, forward.principal)
        return forward


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
    read = reader.body(message, strict=True)
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
