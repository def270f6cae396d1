"""Has the gate decide on a request, in this process, for a key that is narrowed to one team."""

from __future__ import annotations

import math
import re
from collections.abc import Coroutine, Sequence
from typing import Any, NamedTuple

from headgate.auth.chain import Authenticator, AuthenticatorChain, Identified
from headgate.auth.credentials import Credentials
from headgate.config import Limits, Shields
from headgate.contract import Dialect
from headgate.dataplane.decisions import (
    BodyScan,
    Caller,
    Decision,
    Forward,
    Inspect,
    Pending,
    Refuse,
)
from headgate.decide.authorise import Authoriser
from headgate.decide.judgement import judge_objects
from headgate.decide.pipeline import Pipeline
from headgate.decide.resolver import ABSENT, UNRESOLVED, Names
from headgate.decide.routing import Router
from headgate.model import AuthMethod, ObjectField, ObjectKind, Operation, Place, Principal
from headgate.policy import Denied, NeedsObject, Role, Roles, evaluate
from headgate.shields import Shield
from headgate.testing.dialogue import Dialogue
from headgate.testing.policies import terms
from headgate.wire.errors import ProtocolError
from headgate.wire.request import read_request
from tests.oracle.mlflow_reader import Sent, Told

GRANTS = ("*:* on experiment team-a/*", "*:* on model team-a.*", "read:meta")
OWN, OTHER = 0, 1
IDS = {
    ObjectKind.EXPERIMENT: ("71", "82"),
    ObjectKind.RUN: ("a7" * 16, "b8" * 16),
    ObjectKind.LOGGED_MODEL: ("m-" + "a7" * 16, "m-" + "b8" * 16),
    ObjectKind.TRACE: ("tr-" + "a7" * 16, "tr-" + "b8" * 16),
    ObjectKind.DATASET: ("d-" + "a7" * 16, "d-" + "b8" * 16),
    ObjectKind.EXPERIMENT_NAME: ("team-a/x", "team-b/x"),
    ObjectKind.MODEL: ("team-a.m", "team-b.m"),
    ObjectKind.ARTIFACT: ("71/" + "a7" * 16 + "/artifacts/f", "82/" + "b8" * 16 + "/artifacts/f"),
    ObjectKind.LOCATION: ("mlflow-artifacts:/71/x", "mlflow-artifacts:/82/x"),
}
"""Of each kind of object, one of the key's own and one of another team's."""
CANARIES = tuple(
    repr(other) if kind in (ObjectKind.EXPERIMENT_NAME, ObjectKind.MODEL) else f"'{other}"
    for kind, (_, other) in IDS.items()
    if kind is not ObjectKind.EXPERIMENT
)
"""What a question to a store about the other team holds; an id like 82 may be there by chance."""


_NEW_TRACE = re.compile(r"tr-[0-9a-f]{32}")


class Decided(NamedTuple):
    """What the gate decided: the request that MLflow is sent, or why it is sent none."""

    sent: Sent | None
    operation: Operation | None
    refusal: str = ""
    scan: BodyScan | None = None


class _Lookups:
    """Knows whose each object is, without a question."""

    async def names(self, kind: ObjectKind, value: str) -> Names:
        own, other = IDS.get(kind, ("", ""))
        for known, name in ((own, "team-a/x"), (other, "team-b/x")):
            if value == known:
                return Names((name,))
        is_id = (value.isascii() and value.isalnum()) or _NEW_TRACE.fullmatch(value)
        return ABSENT if is_id else UNRESOLVED

    async def prepare_traces(self, values: object) -> None:
        """Nothing need be prepared."""


class _Resolver:
    def lookups(self, workspace: str | None, principal: Principal) -> _Lookups:
        return _Lookups()


class _Doorman(Authenticator):
    def __init__(self, principal: Principal) -> None:
        super().__init__()
        self._principal = principal

    def authenticate(self, credentials: Credentials, now: float) -> Identified:
        return Identified(self._principal, math.inf)


class GateDecider:
    """A gate in front of an MLflow of that version, and a key with ``grants``."""

    def __init__(self, version: str, grants: tuple[str, ...] = GRANTS) -> None:
        self.grants = Roles({"team-a": Role("", grants)}).grants_for("team-a", ["team-a"])
        principal = Principal("k_1", "team-a", AuthMethod.KEY, grants=self.grants)
        balancer = Dialogue().balancer
        balancer.terms = terms(dialect=Dialect(version))
        self.version = version
        self._pipeline = Pipeline(
            AuthenticatorChain([_Doorman(principal)], lambda: 0.0),
            Authoriser(lambda _: _Resolver()),  # type: ignore[arg-type, return-value]
            Router({"": "main"}, Shield(Shields())),
            {"main": balancer},
            Dialogue().balancer,
            Limits(),
        )

    def decide(self, asked: Sent) -> Decided:
        """Decide as the data plane has it decided."""
        lines = [f"{asked.method} {asked.target} HTTP/1.1", "Host: gate.example"]
        lines += [f"{name}: {value}" for name, value in asked.headers]
        if asked.body:
            lines.append(f"Content-Length: {len(asked.body)}")
        head = "\r\n".join((*lines, "", "")).encode("latin-1")
        try:
            request = read_request(head, 100)
        except ProtocolError as error:
            return Decided(None, None, error.message)
        caller = Caller("192.0.2.1", "https")
        decision: Decision = self._pipeline.decide(request, caller)
        if isinstance(decision, Inspect):
            decision = self._pipeline.decide_body(request, caller, decision, asked.body)
        if isinstance(decision, Pending):
            decision = finished(decision.decision)
        if isinstance(decision, Refuse):
            return Decided(None, None, decision.refusal.message)
        if not isinstance(decision, Forward):
            return Decided(None, None, type(decision).__name__)
        method = "GET" if asked.method == "HEAD" else asked.method
        target = (decision.route.path + decision.query).decode("latin-1")
        body = b"" if method == "GET" else asked.body  # the data plane sends none
        sent = Sent(method, target, asked.headers, body)
        return Decided(sent, decision.route.operation, scan=decision.scan)

    def disagrees(self, decided: Decided, told: Told) -> str:
        """What MLflow reads that the gate cannot have judged; empty if there is nothing."""
        operation = decided.operation
        if operation is None or not told.reached:
            return ""
        needs = evaluate(self.grants, operation, "main", None)
        if isinstance(needs, Denied):
            return f"denied after all: {needs.message}"
        if not isinstance(needs, NeedsObject):
            return ""
        mentions = [
            (field, value) for field in needs.fields for value in _values(operation, field, told)
        ]
        judgement = finished(judge_objects(needs, mentions, _Lookups()))  # type: ignore[arg-type]
        if isinstance(judgement, Denied):
            return f"with what MLflow reads it is denied: {judgement.message}"
        leaked = next((each for each in CANARIES if each in told.calls), "")
        return f"MLflow's store is asked about {leaked}" if leaked else ""


def _values(operation: Operation, field: ObjectField, told: Told) -> Sequence[str]:
    """The values that MLflow read in a field."""
    if field.place is Place.PATH:
        # Versions call the same parameter by different names.
        at = re.findall(r"{(\w+)", operation.path).index(field.name)
        return list(told.path.values())[at : at + 1]
    values: list[str] = []
    if field.place is Place.QUERY:
        values += told.query.get(field.name, [])
    if field.place in (Place.QUERY, Place.BODY):
        for name in {field.name, f"{field.name}[]", field.name.removesuffix("[]")}:
            values += map(str, told.body.get(name, []))
    return values


def finished(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that waits for nothing but a turn of the loop."""
    try:
        while coroutine.send(None) is None:
            pass
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits for something")
