"""The gate's own pages.

Names and addresses of the inside are for keys that may read the family ``gate``; a check that
writes is for those that may administer it.  All others see status words only.
Liveness never depends on MLflow, and readiness only on whether requests can be served.
"""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import os
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, ClassVar, Protocol, TypeVar

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from headgate.cluster import ClusterSnapshot, State
from headgate.contract import table
from headgate.control.api import AdminFacts, admin_pages
from headgate.control.checks import Checks
from headgate.control.shared_results import CheckResult
from headgate.model import Action, Api
from headgate.reasons import Reason
from headgate.symptoms import for_upstream
from headgate.telemetry.exposition import Exposition

T = TypeVar("T")
PRINCIPAL_HEADER = "x-headgate-principal"
"""The principal that asks, as the data plane has authenticated it; clients cannot send it."""
MAY_HEADER = "x-headgate-may"
"""What the principal may do with the family ``gate``: actions, separated by commas."""
REASON_HEADER = "x-headgate-reason"
"""The reason code of the response; the data plane passes it on to clients and to the log."""
CHALLENGE = 'Basic realm="Headgate", charset="UTF-8"'
SHALLOW = frozenset({"0", "false", "no"})
"""What can be said of ``deep`` for a check that writes nothing."""
DEEP_REFUSED = (
    "Headgate refused the request: a check with deep=1 writes to the artifact store and needs the "
    "grant administer:gate, which the role 'admin' has; without deep=1 the check only reads."
)
NEXT_STEP = "`headgate doctor` on the gate's machine, with the gate's configuration, walks the way"
"""Shown to key holders where something is not in order."""


class Status(enum.StrEnum):
    """All is in order; something is not, but requests are served; or none are served.

    Or operators have asked for it: requests are held or refused, or only those are served that
    change nothing.
    """

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"
    PARKED = "parked"
    READ_ONLY = "read_only"


class KeysView(Protocol):
    """The state of the keys; a dataclass, shown as it is."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    @property
    def failing(self) -> str | None:
        """Why the key store cannot be read; ``None``: it can."""
        ...

    @property
    def awaited(self) -> bool:
        """Whether every key is refused until the store is read for the first time."""
        ...


class IssuerView(Protocol):
    """The state of an issuer of tokens; a dataclass, shown as it is."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    @property
    def failing(self) -> str | None:
        """Why its keys cannot be fetched; ``None``: they can."""
        ...


class View(Protocol):
    """A dataclass, shown as it is."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]


@dataclasses.dataclass(frozen=True, slots=True)
class ControlFacts:
    """What the pages need to know.

    ``stopping``: whether no worker of the gate will serve before long.  ``draining``: whether this
    one is about to stop; it is replaced, unless the gate is to stop.
    ``metrics``: the Prometheus text, by the ``Accept`` of a request.
    ``snapshots``: the state of each upstream in force.  ``checks``: theirs, by the upstream's name.
    ``version``: of Headgate.  ``keys``: the state of the key store, where there is one.
    ``issuers``: the state of each issuer of tokens.  ``configuration``: how the one in force
    differs from the one that is written down, where it can be read again.  ``certificates``: how
    long each is valid.  ``worker`` and ``workers``: which of how many this is.
    ``admin``: what the admin API works with.
    """

    stopping: Callable[[], bool]
    draining: Callable[[], bool]
    metrics: Callable[[str], Exposition]
    snapshots: Callable[[], list[ClusterSnapshot]]
    checks: Callable[[], Mapping[str, Checks]]
    version: str
    keys: Callable[[], KeysView] | None = None
    issuers: Callable[[], Sequence[IssuerView]] = tuple
    configuration: Callable[[], View] | None = None
    certificates: Callable[[], Sequence[Mapping[str, object]]] = tuple
    worker: int = 0
    workers: int = 1
    admin: AdminFacts = dataclasses.field(default_factory=AdminFacts)


def control_app(facts: ControlFacts) -> Starlette:
    """The application: a handler for each of the gate's own pages.

    Their paths, and which key may ask for them, are in ``headgate/contract/rules.txt``.

    Raises:
        KeyError: one of those pages has no handler.
    """
    pages = _Pages(facts)
    handlers = {
        "gate/alive": pages.alive,
        "gate/livez": pages.livez,
        "gate/readyz": pages.readyz,
        "gate/metrics": pages.metrics,
        "gate/health": pages.health,
        "gate/health-of-api": pages.health_of,
        "gate/health-mlflow": pages.health,
        "gate/health-mlflow-detailed": pages.detailed,
        **admin_pages(facts.admin),
    }
    return Starlette(
        routes=[
            Route(row.operation.path, handlers[row.operation.name], methods=[row.method])
            for row in table().gate_pages
        ]
    )


class _Pages:
    def __init__(self, facts: ControlFacts) -> None:
        self._facts = facts

    async def livez(self, _request: Request) -> Response:
        """Say that the process lives, whatever MLflow does."""
        return _text("ok", Reason.OK)

    async def alive(self, _request: Request) -> Response:
        """Respond as MLflow's own ``/health`` does; nothing is shown of the upstreams."""
        if self._facts.stopping():
            return _text("draining", Reason.DRAINING)
        return PlainTextResponse("OK", headers=_fields(Reason.OK))

    async def readyz(self, _request: Request) -> Response:
        """Say whether the gate takes new requests and an upstream can serve them."""
        if self._facts.stopping():
            return _text("draining", Reason.DRAINING)
        if self._facts.keys is not None and self._facts.keys().awaited:
            return _text("waiting for the key store", Reason.KEYS_STALE)
        # One broken upstream, or a full one, is no reason to take away the others.
        if not any(_can_serve(snapshot) for snapshot in self._facts.snapshots()):
            return _text("no endpoint", Reason.NO_ENDPOINT)
        return _text("ready", Reason.OK)

    async def metrics(self, request: Request) -> Response:
        """Show what was counted, over all workers."""
        found = self._facts.metrics(", ".join(request.headers.getlist("Accept")))
        fields = {"Content-Type": found.content_type, "Vary": "Accept"}
        return PlainTextResponse("".join(found.parts), headers=_fields(Reason.OK) | fields)

    async def health(self, request: Request) -> Response:
        """Show the state of each upstream and endpoint; no request goes to MLflow."""
        return await self._health(request, {})

    async def detailed(self, request: Request) -> Response:
        """Show that, and whether each API works."""
        return await self._health(request, await self._each(Checks.all))

    async def _health(
        self, request: Request, results: Mapping[str, Sequence[CheckResult]]
    ) -> Response:
        snapshots = self._facts.snapshots()
        states = [upstream_status(each, results.get(each.upstream, ())) for each in snapshots]
        keys = None if self._facts.keys is None else self._facts.keys()
        status = _of_all(states)
        issuers = self._facts.issuers()
        failing = [each for each in (keys, *issuers) if each is not None and each.failing]
        if status is Status.OK and failing:
            status = Status.DEGRADED  # the keys that are known go on to work
        response: dict[str, Any] = {"status": status}
        if _may(request, Action.READ):
            response["version"] = self._facts.version
            response["worker"] = self._worker()
            response["draining"] = self._facts.draining()
            response["upstreams"] = [
                {"status": state, **dataclasses.asdict(snapshot)}
                for state, snapshot in zip(states, snapshots, strict=True)
            ]
            if keys is not None:
                response["keys"] = dataclasses.asdict(keys)
            if issuers:
                response["issuers"] = [dataclasses.asdict(each) for each in issuers]
            if self._facts.configuration is not None:
                response["configuration"] = dataclasses.asdict(self._facts.configuration())
            if certificates := self._facts.certificates():
                response["certificates"] = certificates
            if results:
                response["apis"] = {
                    name: [_shown_result(name, result) for result in each]
                    for name, each in results.items()
                }
            if status in (Status.DEGRADED, Status.DOWN):
                response["next"] = NEXT_STEP
        if status is not Status.DOWN:
            return _json(response, Reason.OK)
        failed = [result for each in results.values() for result in each if not result.ok]
        return _json(response, failed[0].reason if failed else Reason.NO_ENDPOINT, 503)

    def _worker(self) -> dict[str, int]:
        """Whose view it is: each watches the endpoints and counts requests for itself."""
        facts = self._facts
        return {"number": facts.worker, "of": facts.workers, "pid": os.getpid()}

    async def health_of(self, request: Request) -> Response:
        """Use one API and show whether it works; ``deep=1`` writes an artifact too."""
        try:
            api = Api(request.path_params["api"])
        except ValueError:
            return _json({"status": "unknown"}, Reason.ROUTE_UNKNOWN)
        deep = request.query_params.get("deep", "0") not in SHALLOW and api is Api.ARTIFACTS
        if deep and PRINCIPAL_HEADER not in request.headers:
            return _json({"status": "unauthenticated"}, Reason.UNAUTHENTICATED)
        if deep and not _may(request, Action.ADMINISTER):
            return _json({"status": "forbidden", "message": DEEP_REFUSED}, Reason.FORBIDDEN)
        results = await self._each(lambda checks: checks.check(api, deep=deep))
        failed = [result for result in results.values() if not result.ok]
        response: dict[str, Any] = {"status": "failing" if failed else "ok"}
        if _may(request, Action.READ):
            response["upstreams"] = {
                name: _shown_result(name, result) for name, result in results.items()
            }
            if failed:
                response["next"] = NEXT_STEP
        return _json(response, failed[0].reason, 503) if failed else _json(response, Reason.OK)

    async def _each(self, check: Callable[[Checks], Awaitable[T]]) -> dict[str, T]:
        """Check every upstream at the same time: one that hangs holds up no other."""
        checks = self._facts.checks()
        found = await asyncio.gather(*map(check, checks.values()))
        return dict(zip(checks, found, strict=True))


def _may(request: Request, action: Action) -> bool:
    """Whether the sender's key may do this with the family ``gate``."""
    return action.value in request.headers.get(MAY_HEADER, "").split(",")


def upstream_status(snapshot: ClusterSnapshot, results: Sequence[CheckResult] = ()) -> Status:
    """How an upstream stands in one word.

    What is parked is neither well nor unwell: nobody expects anything of its endpoints.
    An endpoint that is full is well; one that has left no longer counts.  Where every API that was
    used fails, what still answers is of no use.
    """
    if snapshot.maintenance:
        return Status.PARKED
    if not snapshot.in_service:
        return Status.DOWN
    present = sum(each.state != State.DRAINING for each in snapshot.endpoints)
    is_stale = any(source.failing_seconds is not None for source in snapshot.sources)
    broken = sum(not result.ok for result in results)
    if broken and broken == len(results):
        return Status.DOWN
    is_well = snapshot.in_service == present and not is_stale and not broken
    if not is_well:
        return Status.DEGRADED
    return Status.READ_ONLY if snapshot.read_only else Status.OK


def _shown_result(upstream: str, result: CheckResult) -> dict[str, Any]:
    return dataclasses.asdict(result) | {"cure": for_upstream(result.cure, upstream)}


def _of_all(states: Collection[Status]) -> Status:
    kinds = set(states)
    if len(kinds) == 1:
        return kinds.pop()
    if kinds & {Status.DEGRADED, Status.DOWN}:
        return Status.DEGRADED
    return Status.PARKED if Status.PARKED in kinds else Status.READ_ONLY


def _can_serve(snapshot: ClusterSnapshot) -> bool:
    """Whether clients are to be sent here: also where their requests are held for a parked MLflow.

    Else load balancers would take all gates out of service.
    """
    return snapshot.in_service > 0 or snapshot.failing_open or snapshot.maintenance != ""


def _json(response: Mapping[str, Any], reason: Reason, code: int | None = None) -> Response:
    code = code or reason.status
    return JSONResponse(_rounded(response), status_code=code, headers=_fields(reason))


def _rounded(value: object) -> object:
    """The same with its times in whole milliseconds: more digits than that say nothing."""
    match value:
        case float():
            return round(value, 3)
        case Mapping():
            return {key: _rounded(each) for key, each in value.items()}
        case list() | tuple():
            return [_rounded(each) for each in value]
        case _:
            return value


def _text(word: str, reason: Reason) -> Response:
    code = reason.status
    return PlainTextResponse(f"{word}\n", status_code=code, headers=_fields(reason))


def _fields(reason: Reason) -> dict[str, str]:
    """No cache may keep what is true of this moment alone."""
    fields = {REASON_HEADER: reason.value, "Cache-Control": "no-store"}
    if reason is Reason.UNAUTHENTICATED:
        fields["WWW-Authenticate"] = CHALLENGE
    if reason.retryable:
        fields["Retry-After"] = "2"
    return fields
