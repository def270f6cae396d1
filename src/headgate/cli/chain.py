"""``headgate doctor`` without a subcommand: checks the connection to MLflow step by step."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, replace

import uvloop
from rich.console import Console

from headgate.auth.tokens.key_source import KeySource
from headgate.cli.check import required_headers
from headgate.cli.output import document
from headgate.config import Config, Limits, Upstream
from headgate.contract.use import Ask
from headgate.control.checks import Checks
from headgate.control.shared_results import CheckResult
from headgate.diagnosis.doctor import Finding, examine
from headgate.errors import HeadgateError
from headgate.model import Api
from headgate.runtime.certificates import validities
from headgate.symptoms import for_upstream

EXIT_ILL = 1
_ISSUER_CURE = (
    "Open the way to the issuer, set HTTPS_PROXY, or correct auth.issuers.{name}; without keys its "
    "tokens are refused with 503."
)
STEP_WIDTH = len("pass the authentication of 255.255.255.255:65535")


def walk(config: Config, *, as_json: bool) -> int:
    """Check the connection to each upstream; prints each step and returns the exit code."""
    found = uvloop.run(_walk(config, None if as_json else Console()))
    well = all(finding.ok for _, finding in found)
    if as_json:
        steps = [{"upstream": name} | asdict(finding) for name, finding in found]
        print(document({"steps": steps}, ok=well))
    return 0 if well else EXIT_ILL


async def _walk(config: Config, console: Console | None) -> list[tuple[str, Finding]]:
    found: list[tuple[str, Finding]] = []
    for finding in (*_proxies(config), *_certificates(config, time.time())):
        found.append(("", finding))
        if console is not None:
            _show(console, finding, finding.cure)
    for finding in await asyncio.to_thread(lambda: list(_issuers(config, time.time()))):
        found.append(("", finding))
        if console is not None:
            _show(console, finding, finding.cure)
    for name, settings in config.upstreams.items():
        if console is not None and len(config.upstreams) > 1:
            console.print(f"upstream {name}", markup=False, highlight=False)
        cures = set()
        async for finding in _upstream(name, settings, config.limits):
            cure = for_upstream(finding.cure, name)
            found.append((name, replace(finding, cure=cure)))
            if console is not None:
                _show(console, finding, "" if cure in cures else cure)  # each is printed once
            cures.add(cure)
    return found


def _proxies(config: Config) -> Iterator[Finding]:
    """What a listener requires of connections: all others are closed."""
    for setting, networks in required_headers(config):
        seen = f"from {' '.join(map(str, networks))}; all other connections are closed"
        yield Finding(f"{setting} requires a PROXY header", True, seen)


def _certificates(config: Config, now: float) -> Iterator[Finding]:
    """How long the certificates hold that the configuration names; those of no upstream too."""
    for each in validities(config):
        cure = f"Renew {each.file}; the gate takes it up by itself." if each.is_due(now) else ""
        ended = each.days_left(now) < 0
        yield Finding(f"{each.setting} holds", not ended, f"it {each.text(now)}", cure)


def _issuers(config: Config, now: float) -> Iterator[Finding]:
    """Whether the keys of each issuer of tokens can be fetched from this machine."""
    for name, settings in config.auth.issuers.items():
        step = f"fetch the keys of the issuer {name}"
        source = KeySource(settings)
        try:
            keys = source.read()
        except HeadgateError as error:
            yield Finding(step, False, str(error), _ISSUER_CURE.format(name=name))
            continue
        seen = f"{len(keys.keys)} from {source.place}"
        if source.file is not None:
            seen += f", written {now - source.file.stat().st_mtime:.0f} s ago"
        if keys.unusable:
            seen += f"; left out: {'; '.join(keys.unusable)}"
        yield Finding(step, True, seen)


async def _upstream(name: str, settings: Upstream, limits: Limits) -> AsyncIterator[Finding]:
    """The steps for one upstream, up to the first that fails."""
    try:
        async for finding in examine(name, settings, limits, _use):
            yield finding
    except HeadgateError as error:
        yield Finding("read its settings", False, str(error), "Correct what is named there.")


async def _use(ask: Ask) -> AsyncIterator[Finding]:
    """Use each API, whichever of them fails: each may have a cause of its own."""
    checks = Checks(ask)
    try:
        for api in Api:
            yield _of_check(await checks.check(api))
        yield _of_check(await checks.check(Api.ARTIFACTS, deep=True), "keep artifacts")
    finally:
        await checks.settle()  # an interrupted check leaves nothing behind


def _of_check(result: CheckResult, step: str = "") -> Finding:
    return Finding(step or f"use {result.api}", result.ok, result.detail, result.cure)


def _show(console: Console, finding: Finding, cure: str) -> None:
    console.print("[green]ok[/]    " if finding.ok else "[red]failed[/]", end="")
    text = (
        f"  {finding.step:{STEP_WIDTH}}  {finding.seen}"  # it may hold brackets, of an IPv6 address
    )
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    if cure:
        console.print(f"        {cure}", markup=False, highlight=False, soft_wrap=True)
