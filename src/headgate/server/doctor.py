"""Walks the way to MLflow step by step and says which step is the first that fails, and its cure.

name -> addresses -> connect -> MLflow and its version -> Host check -> each API -> an artifact.
It uses what a running gate uses: the same discovery, the same connections, the same checks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from headgate.config import Limits, Upstream
from headgate.contract.diagnosis import CREDENTIALS_CURE, HOST_REFUSED, PAGE_CURE, is_page
from headgate.dataplane.call import CallAnswer, CallError
from headgate.discovery import Discovery, discovery_for
from headgate.model import Endpoint
from headgate.server.cures import call_cure, discovery_cure
from headgate.server.upstreams import LiveUpstream
from headgate.upstream import Found

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
        self.endpoints: list[Endpoint] = []
        self.source = ""
        self.error = ""
        self.ttl: float | None = None
        self.said = asyncio.Event()

    def found(self, found: Sequence[Found], source: str, ttl: float | None) -> None:
        """See ``Report``."""
        self.endpoints = [each.endpoint for each in found]
        self.source, self.ttl = source, ttl
        self.said.set()

    def failed(self, source: str, error: str) -> None:
        """See ``Report``."""
        self.source, self.error = source, error
        self.said.set()


async def examine(name: str, settings: Upstream, limits: Limits) -> AsyncIterator[Finding]:
    """Walk from the upstream's URL to its APIs; ends with the first step that fails.

    Raises:
        HeadgateError: the settings themselves are not fit.
    """
    endpoints: list[Endpoint] = []
    for adapter in discovery_for(settings):
        finding, found = await _discover(adapter, settings)
        yield finding
        if not finding.ok:
            return
        endpoints += found
    upstream = LiveUpstream(name, settings, limits)
    try:
        for endpoint in endpoints:
            async for finding in _examine_endpoint(upstream, endpoint):
                yield finding
                if not finding.ok:
                    return
    finally:
        upstream.close()


async def _discover(adapter: Discovery, settings: Upstream) -> tuple[Finding, list[Endpoint]]:
    report = _FirstReport()
    running = asyncio.get_running_loop().create_task(adapter.run(report), name="discover")
    try:
        async with asyncio.timeout(DISCOVERY_SECONDS):
            await report.said.wait()
    except TimeoutError:
        report.error = f"no answer within {DISCOVERY_SECONDS:g} s"
        report.source = report.source or "discovery"
    finally:
        running.cancel()
    if report.error:
        cure = discovery_cure(report.error, settings)
        return Finding("find MLflow", False, f"{report.source}: {report.error}", cure), []
    valid = f", valid {report.ttl:g} s" if report.ttl is not None else ""
    names = ", ".join(map(str, report.endpoints))
    return Finding("find MLflow", True, f"{report.source}: {names}{valid}"), report.endpoints


async def _examine_endpoint(upstream: LiveUpstream, endpoint: Endpoint) -> AsyncIterator[Finding]:
    step = f"connect to {endpoint}"
    try:
        answer = await _ask(upstream, endpoint, b"/health")
    except CallError as error:
        yield Finding(step, False, error.detail, call_cure(error))
        return
    yield _health(step, answer)
    if answer.status != 200 or is_page(answer):
        return
    step = f"ask {endpoint} for its version"
    try:
        answer = await _ask(upstream, endpoint, b"/version")
        text = answer.body[:40].decode("ascii", "replace").strip()
        ok = answer.status == 200 and text[:1].isdigit()
        yield Finding(
            step,
            ok,
            f"MLflow {text}" if ok else f"GET /version answered {answer.status}: {text!r}",
            "" if ok else "Something else than MLflow listens there; correct the URL.",
        )
        if not ok:
            return
        step = f"pass the Host check of {endpoint}"
        answer = await _ask(upstream, endpoint, b"/api/2.0/mlflow/experiments/get?experiment_id=0")
    except CallError as error:
        yield Finding(step, False, error.detail, call_cure(error))
        return
    host = upstream.balancer.pool(endpoint).host_header.decode("ascii")
    yield _host_check(endpoint, host, answer)


def _host_check(endpoint: Endpoint, host: str, answer: CallAnswer) -> Finding:
    step = f"pass the Host check of {endpoint}"
    if answer.status == 403 and HOST_REFUSED in answer.body:
        cure = (
            f"Start MLflow with --allowed-hosts '{host}', or set host_header of this upstream to "
            "a name that MLflow accepts."
        )
        return Finding(step, False, f"MLflow refuses the Host '{host}'", cure)
    if answer.status == 401:
        step = f"pass the authentication of {endpoint}"
        return Finding(step, False, "MLflow asks for credentials (401)", CREDENTIALS_CURE)
    if is_page(answer):
        return Finding(step, False, f"a web page (status {answer.status}), not JSON", PAGE_CURE)
    return Finding(step, True, f"Host '{host}' is accepted")


def _health(step: str, answer: CallAnswer) -> Finding:
    if is_page(answer) and answer.status != 404:  # so MLflow answers paths it does not know
        return Finding(step, False, f"a web page (status {answer.status})", PAGE_CURE)
    ok = answer.status == 200
    cure = "" if ok else "Correct the URL, or static_prefix if MLflow runs under a path of its own."
    return Finding(step, ok, f"GET /health answered {answer.status}", cure)


async def _ask(upstream: LiveUpstream, endpoint: Endpoint, target: bytes) -> CallAnswer:
    return await upstream.call(endpoint, upstream.spoken(b"GET", target), within=CALL_SECONDS)
