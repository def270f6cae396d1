"""``headgate doctor`` without a further word: the way to MLflow, step by step."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import asdict, replace

import uvloop
from rich.console import Console

from headgate.compose import asker
from headgate.config import Config
from headgate.contract.diagnosis import cure_for
from headgate.control.board import CheckResult
from headgate.control.checks import Checks
from headgate.model import Api
from headgate.server.doctor import Finding, examine
from headgate.server.upstreams import LiveUpstream

EXIT_ILL = 1


def walk(config: Config, *, as_json: bool) -> int:
    """Walk the way to each upstream; prints each step and returns the exit code."""
    findings = uvloop.run(_walk(config, None if as_json else Console()))
    well = all(finding.ok for finding in findings)
    if as_json:
        print(json.dumps({"ok": well, "steps": [asdict(each) for each in findings]}, indent=2))
    return 0 if well else EXIT_ILL


async def _walk(config: Config, console: Console | None) -> list[Finding]:
    findings = []
    for name in config.upstreams:
        async for found in _upstream(config, name):
            finding = replace(found, cure=cure_for(name, found.cure))
            findings.append(finding)
            if console is not None:
                told = any(finding.cure == before.cure for before in findings[:-1])
                _show(console, replace(finding, cure="") if told else finding)
    return findings


async def _upstream(config: Config, name: str) -> AsyncIterator[Finding]:
    """The steps for one upstream, as far as they lead."""
    settings = config.upstreams[name]
    async for finding in examine(name, settings, config.limits):
        yield finding
        if not finding.ok:
            return
    upstream = LiveUpstream(name, settings, config.limits)
    upstream.start()
    await upstream.known()
    checks = Checks(asker(upstream))
    try:
        for api in Api:
            yield _of_check(await checks.check(api))
        yield _of_check(await checks.check(Api.ARTIFACTS, deep=True), "keep artifacts")
    finally:
        upstream.close()


def _of_check(result: CheckResult, step: str = "") -> Finding:
    return Finding(step or f"use {result.api}", result.ok, result.detail, result.cure)


def _show(console: Console, finding: Finding) -> None:
    mark = "[green]ok[/]    " if finding.ok else "[red]failed[/]"
    console.print(f"{mark}  {finding.step:34}  ", end="", highlight=False)
    console.print(finding.seen, markup=False, highlight=False, soft_wrap=True)
    if finding.cure:
        console.print(f"        {finding.cure}", markup=False, highlight=False, soft_wrap=True)
