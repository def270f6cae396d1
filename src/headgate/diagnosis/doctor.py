"""Checks the connection to MLflow step by step: which step fails first, and its cure.

name -> addresses -> connect -> MLflow and its version -> Host check -> each API -> an artifact.
It uses what a running gate uses: the same discovery, the same connections, the same checks.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace

from headgate.cluster import Found
from headgate.config import Limits, Upstream
from headgate.contract.diagnosis import AskError, health_failure, is_page
from headgate.contract.responses import is_host_refusal
from headgate.contract.use import Ask
from headgate.dataplane.call import CallError, CallFailure, CallResponse
from headgate.discovery import Discovery, discovery_for
from headgate.model import Endpoint
from headgate.symptoms import DiscoveryFailure, ResponseFailure, Symptom
from headgate.upstreams.live import LiveUpstream

DISCOVERY_SECONDS = 10.0
CALL_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One step: what was checked, whether it is in order, what was seen, and the cure if not."""

    step: str
    ok: bool
    seen: str
    cure: str = ""

    @classmethod
    def of(cls, symptom: Symptom, step: str, seen: str) -> Finding:
        """A step that fails by that symptom."""
        return cls(step, False, seen, symptom.cure)


class _FirstReport:
    """Takes the first report of an adapter; until it comes, there was no response in time."""

    def __init__(self) -> None:
        self.named: Sequence[Found] = ()
        self.source = "discovery"
        self.failure: DiscoveryFailure | None = DiscoveryFailure.OTHER
        self.detail = f"no response within {DISCOVERY_SECONDS:g} s"
        self.ttl: float | None = None
        self.said = asyncio.Event()

    def found(self, found: Sequence[Found], source: str, ttl: float | None) -> None:
        """See ``Report``."""
        self.named = found
        self.source, self.ttl, self.failure = source, ttl, None
        self.said.set()

    def failed(self, source: str, failure: DiscoveryFailure, detail: str) -> None:
        """See ``Report``."""
        self.source, self.failure, self.detail = source, failure, detail
        self.said.set()


async def examine(
    name: str, settings: Upstream, limits: Limits, use: Callable[[Ask], AsyncIterator[Finding]]
) -> AsyncIterator[Finding]:
    """Walk from the upstream's URL to its APIs; ends with the first step that fails.

    ``use`` uses the APIs of one endpoint; it is called for each.

    Raises:
        HeadgateError: the settings themselves are not fit.
    """
    upstream = LiveUpstream(name, settings, limits)
    endpoints: list[Endpoint] = []
    try:
        for adapter in discovery_for(settings):
            finding, report = await _discover(adapter)
            yield finding
            if not finding.ok:
                return
            # It knows them by the names that led to them, which certificates bear.
            upstream.finder.found(report.named, report.source, report.ttl)
            endpoints += (each.endpoint for each in report.named)
        endpoints = list(dict.fromkeys(endpoints))  # several sources may name one
        for endpoint in endpoints:
            async for finding in _examine_endpoint(upstream, endpoint):
                yield finding
                if not finding.ok:
                    return
        for endpoint in endpoints:
            at = f" at {endpoint}" if len(endpoints) > 1 else ""
            async for finding in use(_asker(upstream, endpoint)):
                yield replace(finding, step=f"{finding.step}{at}")
    finally:
        upstream.close()


async def _discover(adapter: Discovery) -> tuple[Finding, _FirstReport]:
    report = _FirstReport()
    running = asyncio.get_running_loop().create_task(adapter.run(report), name="discover")
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DISCOVERY_SECONDS):
                await report.said.wait()
    finally:
        running.cancel()
    if report.failure is not None:
        seen = f"{report.source}: {report.detail}"
        return Finding.of(report.failure, "find MLflow", seen), report
    valid = f", valid {report.ttl:g} s" if report.ttl is not None else ""
    names = ", ".join(str(each.endpoint) for each in report.named)
    return Finding("find MLflow", True, f"{report.source}: {names}{valid}"), report


async def _examine_endpoint(upstream: LiveUpstream, endpoint: Endpoint) -> AsyncIterator[Finding]:
    step = f"connect to {endpoint}"
    try:
        response = await _ask(upstream, endpoint, b"/health")
    except CallError as error:
        yield Finding.of(error.symptom, step, error.detail)
        return
    finding = _health(step, response)
    yield finding
    if not finding.ok:
        return
    silence: Symptom = CallFailure.TIMEOUT.symptom
    step = f"ask {endpoint} for its version"
    try:
        response = await _ask(upstream, endpoint, b"/version")
        finding = _version(step, endpoint, response)
        yield finding
        if not finding.ok:
            return
        silence = ResponseFailure.DATABASE_HANGS  # the first request that needs the database
        step = f"pass the Host check of {endpoint}"
        response = await _ask(
            upstream, endpoint, b"/api/2.0/mlflow/experiments/get?experiment_id=0"
        )
    except CallError as error:
        is_silent = error.failure is CallFailure.TIMEOUT
        yield Finding.of(silence if is_silent else error.symptom, step, error.detail)
        return
    host = upstream.balancer.pool(endpoint).host_header.decode("ascii")
    yield _host_check(endpoint, host, response)


def _health(step: str, response: CallResponse) -> Finding:
    failure = health_failure(response)
    if failure is ResponseFailure.WEB_PAGE and is_page(response):
        return Finding.of(failure, step, f"a web page (status {response.status})")
    seen = f"GET /health responded {response.status}"
    if failure is ResponseFailure.REDIRECT:
        seen = f"{seen}, a redirect"
    return Finding(step, True, seen) if failure is None else Finding.of(failure, step, seen)


def _version(step: str, endpoint: Endpoint, response: CallResponse) -> Finding:
    text = response.body[:40].decode("ascii", "replace").strip()
    if response.status == 200 and text[:1].isdigit():
        return Finding(step, True, f"MLflow {text}")
    if response.status == 401:
        return _unauthenticated(endpoint)
    if is_page(response):
        seen = f"a web page (status {response.status})"
        return Finding.of(ResponseFailure.WEB_PAGE, step, seen)
    seen = f"GET /version responded {response.status}: {text!r}"
    return Finding.of(ResponseFailure.NOT_MLFLOW, step, seen)


def _unauthenticated(endpoint: Endpoint) -> Finding:
    step = f"pass the authentication of {endpoint}"
    seen = "MLflow asks for credentials (401)"
    return Finding.of(ResponseFailure.CREDENTIALS_WANTED, step, seen)


def _host_check(endpoint: Endpoint, host: str, response: CallResponse) -> Finding:
    step = f"pass the Host check of {endpoint}"
    if response.status == 403 and is_host_refusal(response.body):
        anywhere = f"{host.rpartition(':')[0] or host}:*"
        seen = f"MLflow refuses the Host '{host}' ('{anywhere}' stands for any port)"
        return Finding.of(ResponseFailure.HOST_REFUSED, step, seen)
    if response.status == 401:
        return _unauthenticated(endpoint)
    if is_page(response):
        seen = f"a web page (status {response.status}), not JSON"
        return Finding.of(ResponseFailure.WEB_PAGE, step, seen)
    return Finding(step, True, f"Host '{host}' is accepted")


def _asker(upstream: LiveUpstream, endpoint: Endpoint) -> Ask:
    caller = upstream.caller

    async def ask(method: str, target: str, body: bytes) -> CallResponse:
        how = method.encode("ascii")
        translated = caller.translate_target(how, target.encode("ascii"))
        try:
            return await caller.call(
                endpoint, translated, method=how, body=body, within=CALL_SECONDS
            )
        except CallError as error:
            raise AskError(error.detail, error.symptom) from None

    return ask


async def _ask(upstream: LiveUpstream, endpoint: Endpoint, target: bytes) -> CallResponse:
    caller = upstream.caller
    translated = caller.translate_target(b"GET", target)
    return await caller.call(endpoint, translated, within=CALL_SECONDS)
