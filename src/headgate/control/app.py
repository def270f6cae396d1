"""What the gate answers about itself.

Whoever has no key sees status words only; names and addresses of the inside are for key holders.
Liveness never depends on MLflow, and readiness only on whether requests can be served.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from headgate.control.checks import Api, CheckResult, Checks
from headgate.control.exposition import CONTENT_TYPE
from headgate.upstream import ClusterSnapshot

PRINCIPAL_HEADER = "x-headgate-principal"
"""Who asks, as the data plane has found out; clients cannot send it."""


@dataclasses.dataclass(frozen=True, slots=True)
class ControlFacts:
    """What the pages need to know.

    ``draining``: whether this worker is about to stop.  ``metrics``: the Prometheus text.
    ``snapshots``: how each upstream stands.  ``checks``: those of each upstream, by its name.
    ``version``: of Headgate.
    """

    draining: Callable[[], bool]
    metrics: Callable[[], Iterator[str]]
    snapshots: Callable[[], list[ClusterSnapshot]]
    checks: Mapping[str, Checks]
    version: str


def control_app(facts: ControlFacts) -> Starlette:
    """The application; its paths begin with ``/-/``, or are the established aliases."""
    pages = _Pages(facts)
    return Starlette(
        routes=[
            Route("/-/livez", pages.livez),
            Route("/-/readyz", pages.readyz),
            Route("/-/metrics", pages.metrics),
            Route("/-/health", pages.health),
            Route("/-/health/{api}", pages.health_of),
            Route("/health/mlflow", pages.health),
            Route("/health/mlflow/detailed", pages.detailed),
        ]
    )


class _Pages:
    def __init__(self, facts: ControlFacts) -> None:
        self._facts = facts

    async def livez(self, _request: Request) -> Response:
        """Answer: the process lives, whatever MLflow does."""
        return PlainTextResponse("ok\n")

    async def readyz(self, _request: Request) -> Response:
        """Say whether new requests are welcome here and have somewhere to go."""
        if self._facts.draining():
            return _not_ready("draining")
        if not all(_can_serve(snapshot) for snapshot in self._facts.snapshots()):
            return _not_ready("no endpoint")
        return PlainTextResponse("ready\n")

    async def metrics(self, _request: Request) -> Response:
        """Show what was counted, over all workers."""
        text = "".join(self._facts.metrics())
        return PlainTextResponse(text, headers={"Content-Type": CONTENT_TYPE})

    async def health(self, request: Request) -> Response:
        """Show how each upstream and endpoint stands; nothing is asked of MLflow."""
        return await self._health(request, {})

    async def detailed(self, request: Request) -> Response:
        """Show that, and whether each API works."""
        results = {}
        for name, checks in self._facts.checks.items():
            results[name] = [dataclasses.asdict(result) for result in await checks.all()]
        return await self._health(request, results)

    async def _health(self, request: Request, results: Mapping[str, Any]) -> Response:
        snapshots = self._facts.snapshots()
        well = all(snapshot.available for snapshot in snapshots)
        works = all(result["ok"] for each in results.values() for result in each)
        status = "ok" if well and works else "degraded" if _any_serves(snapshots) else "down"
        answer: dict[str, Any] = {"status": status}
        if PRINCIPAL_HEADER in request.headers:
            answer["version"] = self._facts.version
            answer["draining"] = self._facts.draining()
            answer["upstreams"] = [dataclasses.asdict(snapshot) for snapshot in snapshots]
            if results:
                answer["apis"] = results
        return JSONResponse(answer, status_code=503 if status == "down" else 200)

    async def health_of(self, request: Request) -> Response:
        """Use one API and show whether it works; ``deep=1`` writes an artifact too."""
        try:
            api = Api(request.path_params["api"])
        except ValueError:
            return JSONResponse({"status": "unknown"}, status_code=404)
        known = PRINCIPAL_HEADER in request.headers
        deep = request.query_params.get("deep") == "1" and api is Api.ARTIFACTS
        if deep and not known:
            return JSONResponse({"status": "unauthenticated"}, status_code=401)
        results = await self._each(lambda checks: checks.check(api, deep=deep))
        ok = all(result.ok for result in results.values())
        answer: dict[str, Any] = {"status": "ok" if ok else "failing"}
        if known:
            answer["upstreams"] = {
                name: dataclasses.asdict(result) for name, result in results.items()
            }
        return JSONResponse(answer, status_code=200 if ok else 503)

    async def _each(
        self, check: Callable[[Checks], Awaitable[CheckResult]]
    ) -> dict[str, CheckResult]:
        return {name: await check(checks) for name, checks in self._facts.checks.items()}


def _can_serve(snapshot: ClusterSnapshot) -> bool:
    return snapshot.available > 0 or snapshot.failing_open


def _any_serves(snapshots: list[ClusterSnapshot]) -> bool:
    return any(snapshot.available for snapshot in snapshots)


def _not_ready(why: str) -> Response:
    return PlainTextResponse(f"{why}\n", status_code=503, headers={"Retry-After": "2"})
