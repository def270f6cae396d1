"""Walks the way to MLflow step by step and says which step is the first that fails, and its cure.

name -> addresses -> connect -> MLflow and its version -> Host check -> each API -> an artifact.
It uses what a running gate uses: the same discovery, the same connections, the same checks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace

from headgate.cluster import Found
from headgate.config import Limits, Upstream
from headgate.contract.diagnosis import CREDENTIALS_CURE, PAGE_CURE, is_page
from headgate.contract.responses import is_host_refusal
from headgate.contract.use import Ask
from headgate.dataplane.call import CallError, CallFailure, CallResponse
from headgate.discovery import Discovery, discovery_for
from headgate.model import Endpoint
from headgate.upstreams.live import LiveUpstream
from headgate.upstreams.remedies import ask_error, call_cure, discovery_cure

DISCOVERY_SECONDS = 10.0
CALL_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One step: what was looked at, whether it is well, what was seen, and what to do if not."""

    step: str
    ok: bool
    seen: str
    cure: str = ""


class _FirstReport:
    """Takes the first thing that an adapter says."""

    def __init__(self) -> None:
        self.named: Sequence[Found] = ()
        self.source = ""
        self.error = ""
        self.ttl: float | None = None
        self.said = asyncio.Event()

    def found(self, found: Sequence[Found], source: str, ttl: float | None) -> None:
        """See ``Report``."""
        self.named = found
        self.source, self.ttl = source, ttl
        self.said.set()

    def failed(self, source: str, error: str) -> None:
        """See ``Report``."""
        self.source, self.error = source, error
        self.said.set()


async def examine(
    name: str, settings: Upstream, limits: Limits, use: Callable[[Ask], AsyncIterator[Finding]]
) -> AsyncIterator[Finding]:
    """Walk from the upstream's URL to its APIs; ends with the first step that fails.

    ``use`` uses the APIs of one endpoint, as far as it likes; each endpoint is used.

    Raises:
        HeadgateError: the settings themselves are not fit.
    """
    upstream = LiveUpstream(name, settings, limits)
    endpoints: list[Endpoint] = []
    try:
        for adapter in discovery_for(settings):
            finding, report = await _discover(adapter, settings)
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


async def _discover(adapter: Discovery, settings: Upstream) -> tuple[Finding, _FirstReport]:
    report = _FirstReport()
    running = asyncio.get_running_loop().create_task(adapter.run(report), name="discover")
    try:
        async with asyncio.timeout(DISCOVERY_SECONDS):
            await report.said.wait()
    except TimeoutError:
        report.error = f"no response within {DISCOVERY_SECONDS:g} s"
        report.source = report.source or "discovery"
    finally:
        running.cancel()
    if report.error:
        cure = discovery_cure(report.error, settings)
        return Finding("find MLflow", False, f"{report.source}: {report.error}", cure), report
    valid = f", valid {report.ttl:g} s" if report.ttl is not None else ""
    names = ", ".join(str(each.endpoint) for each in report.named)
    return Finding("find MLflow", True, f"{report.source}: {names}{valid}"), report


async def _examine_endpoint(upstream: LiveUpstream, endpoint: Endpoint) -> AsyncIterator[Finding]:
    step = f"connect to {endpoint}"
    try:
        response = await _ask(upstream, endpoint, b"/health")
    except CallError as error:
        yield Finding(step, False, error.detail, call_cure(error))
        return
    yield _health(step, response)
    if response.status != 200 or is_page(response):
        return
    step = f"ask {endpoint} for its version"
    try:
        response = await _ask(upstream, endpoint, b"/version")
        finding = _version(step, endpoint, response)
        yield finding
        if not finding.ok:
            return
        step = f"pass the Host check of {endpoint}"
        response = await _ask(
            upstream, endpoint, b"/api/2.0/mlflow/experiments/get?experiment_id=0"
        )
    except CallError as error:
        hangs = error.failure is CallFailure.TIMEOUT and step.startswith("pass")
        yield Finding(step, False, error.detail, _HANGS_CURE if hangs else call_cure(error))
        return
    host = upstream.balancer.pool(endpoint).host_header.decode("ascii")
    yield _host_check(endpoint, host, response)


def _version(step: str, endpoint: Endpoint, response: CallResponse) -> Finding:
    text = response.body[:40].decode("ascii", "replace").strip()
    if response.status == 200 and text[:1].isdigit():
        return Finding(step, True, f"MLflow {text}")
    if response.status == 401:
        return _unauthenticated(endpoint)
    if is_page(response):
        return Finding(step, False, f"a web page (status {response.status})", PAGE_CURE)
    cure = "Something else than MLflow listens there; correct the URL."
    return Finding(step, False, f"GET /version answered {response.status}: {text!r}", cure)


def _unauthenticated(endpoint: Endpoint) -> Finding:
    step = f"pass the authentication of {endpoint}"
    return Finding(step, False, "MLflow asks for credentials (401)", CREDENTIALS_CURE)


def _host_check(endpoint: Endpoint, host: str, response: CallResponse) -> Finding:
    step = f"pass the Host check of {endpoint}"
    if response.status == 403 and is_host_refusal(response.body):
        anywhere = f"{host.rpartition(':')[0] or host}:*"
        cure = (
            f"Add '{host}', or '{anywhere}' for any port, to MLflow's --allowed-hosts (the list is "
            "all that MLflow then accepts: keep 'localhost:*' in it), or set "
            "upstreams.NAME.host_header to a name that MLflow accepts."
        )
        return Finding(step, False, f"MLflow refuses the Host '{host}'", cure)
    if response.status == 401:
        return _unauthenticated(endpoint)
    if is_page(response):
        return Finding(step, False, f"a web page (status {response.status}), not JSON", PAGE_CURE)
    return Finding(step, True, f"Host '{host}' is accepted")


def _health(step: str, response: CallResponse) -> Finding:
    status = response.status
    seen = f"GET /health answered {status}"
    if status == 404:  # a web page too, where it is MLflow's
        cure = "Correct the URL, or set upstreams.NAME.static_prefix to the path MLflow runs under."
        return Finding(step, False, seen, cure)
    if 300 <= status < 400:
        return Finding(step, False, f"{seen}, a redirect", _REDIRECT_CURE)
    if is_page(response):
        return Finding(step, False, f"a web page (status {status})", PAGE_CURE)
    if status == 200:
        return Finding(step, True, seen)
    return Finding(step, False, seen, _FAILING_CURE if status >= 500 else PAGE_CURE)


_HANGS_CURE = (
    "MLflow answers /health, and hangs where it needs its database: see that the database of its "
    "--backend-store-uri runs and can be reached from MLflow's machine."
)
_REDIRECT_CURE = (
    "The gate follows no redirect: write in the URL where MLflow itself is, https:// if that is "
    "what it leads to; a login page must let the gate pass."
)
_FAILING_CURE = "MLflow, or what stands before it, fails: look into its log."


def _asker(upstream: LiveUpstream, endpoint: Endpoint) -> Ask:
    async def ask(method: str, target: str, body: bytes) -> CallResponse:
        how = method.encode("ascii")
        translated = upstream.caller.translate_target(how, target.encode("ascii"))
        try:
            return await upstream.caller.call(
                endpoint, translated, method=how, body=body, within=CALL_SECONDS
            )
        except CallError as error:
            raise ask_error(error) from None

    return ask


async def _ask(upstream: LiveUpstream, endpoint: Endpoint, target: bytes) -> CallResponse:
    return await upstream.caller.call(
        endpoint, upstream.caller.translate_target(b"GET", target), within=CALL_SECONDS
    )
