"""Runs the benchmarks one after the other and collects their results."""

from __future__ import annotations

import argparse
import datetime as dt
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import (
    bulk,
    changes,
    cpu,
    dataplane,
    exports,
    idle,
    instructions,
    jwt,
    keys,
    latency,
    machine,
    reads,
    report,
    streams,
    telemetry,
    tls,
    tokens,
    uploads,
    workers,
)
from bench.document import Document
from bench.packages import install
from bench.peers import programs
from bench.peers.programs import Program
from bench.result import Result
from bench.series import Series
from bench.setting import CannotMeasureError, Setting
from bench.targets import Judgement

ROUNDS = 5
QUICK_ROUNDS = 2
Measure = Callable[[Setting, Sequence[Program]], list[Series]]
Own = Mapping[str, Callable[[Sequence[str]], Result]]

_SMALL = (
    programs.HEADGATE,
    programs.NGINX,
    programs.NGINX_AUTH_REQUEST,
    programs.ENVOY,
    programs.HAPROXY,
    programs.CADDY,
    programs.STARLETTE,
)
_LARGE = (
    programs.HEADGATE,
    programs.NGINX,
    programs.NGINX_LARGE,
    programs.ENVOY,
    programs.HAPROXY,
    programs.CADDY,
    programs.STARLETTE,
)
COMPARISONS: Mapping[str, tuple[Measure, Sequence[Program]]] = {
    "cpu": (cpu.measure, (*_SMALL, programs.NGINX_DEBIAN, programs.HEADGATE_PURE)),
    "latency": (latency.measure, _SMALL),
    "bulk": (bulk.measure, _LARGE),
    "uploads": (uploads.measure, _LARGE[:5]),
    "idle": (idle.measure, _SMALL),
    "workers": (workers.measure, (programs.HEADGATE, programs.NGINX)),
    "dataplane": (dataplane.measure, (programs.HEADGATE, programs.HEADGATE_PURE)),
    "keys": (keys.measure, (programs.HEADGATE,)),
    "changes": (changes.measure, (programs.HEADGATE,)),
    "instructions": (
        instructions.measure,
        (programs.HEADGATE, programs.NGINX, programs.NGINX_DEBIAN),
    ),
    "tls": (tls.measure, (programs.HEADGATE, programs.NGINX, programs.ENVOY, programs.HAPROXY)),
    "streams": (
        streams.measure,
        (programs.HEADGATE_MANY, programs.NGINX, programs.ENVOY, programs.HAPROXY),
    ),
    "telemetry": (
        telemetry.measure,
        (programs.HEADGATE, programs.NGINX, programs.NGINX_DEBIAN),
    ),
    "jwt": (jwt.measure, (programs.HEADGATE, programs.ENVOY_TOKENS, programs.ENVOY_TOKENS_ANEW)),
    "tokens": (tokens.measure, (programs.HEADGATE,)),
    "reads": (reads.measure, (programs.HEADGATE,)),
    "exports": (exports.measure, (programs.HEADGATE, programs.HEADGATE_PURE)),
}


def main(arguments: Sequence[str], own: Own) -> int:
    """Run the selected benchmarks; ``own`` are those that compare no other programs.

    The exit code is 1 if a target was missed, unless the run was a quick one.
    """
    options = _parse(arguments, own)
    load = machine.load()
    console = Console()
    found: list[Series] = []
    results: dict[str, dict[str, Any]] = {}
    skipped = install()
    with _setting(options) as setting:
        if load > report.BUSY:
            setting.say(
                f"other programs use this machine (load {load:.1f}): the figures will be rough"
            )
        chosen = options.only or [*COMPARISONS, *own]
        for name in chosen:
            if name in own:
                results[name] = _own(own[name], setting, console)
            else:
                found += _compare(name, setting, skipped)
        document = _document(setting, load, chosen, skipped, results, found)
    if options.write is not None:
        options.write.write_text(document.to_json(), encoding="utf-8")
    if options.into is not None:
        kept = Document.from_json(options.into.read_text(encoding="utf-8"))
        options.into.write_text(kept.joined(document).to_json(), encoding="utf-8")
    report.show(document, console)
    return 1 if _missed(document) and not options.quick else 0


def _parse(arguments: Sequence[str], own: Own) -> argparse.Namespace:
    names = [*COMPARISONS, *own]
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Compare the gate with other programs."
    )
    add = parser.add_argument
    add(
        "--only", action="append", choices=names, metavar="NAME", help=f"one of: {', '.join(names)}"
    )
    add("--rounds", type=int, help=f"of each measurement ({ROUNDS}; {QUICK_ROUNDS} with --quick)")
    add("--quick", action="store_true", help="smaller amounts, to check that every benchmark works")
    add("--write", type=Path, metavar="FILE", help="write all values as JSON")
    add("--into", type=Path, metavar="FILE", help="put them into a run that was written before")
    return parser.parse_args(arguments)


@contextmanager
def _setting(options: argparse.Namespace) -> Iterator[Setting]:
    """A folder for the run, and room for as many open files as the machine allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    with tempfile.TemporaryDirectory(
        prefix="headgate-bench-", ignore_cleanup_errors=True
    ) as folder:
        # nginx's workers give up root and must still reach their files.
        Path(folder).chmod(0o711)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        try:
            yield Setting(Path(folder), rounds, options.quick, machine.cores())
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _own(
    benchmark: Callable[[Sequence[str]], Result], setting: Setting, console: Console
) -> dict[str, Any]:
    small = ["--size", "64MiB"] if setting.quick else []
    result = benchmark(["--rounds", "1", *small])
    result.show(console)
    return {"title": result.title, "targets": dict(result.targets)}


def _compare(name: str, setting: Setting, skipped: list[str]) -> list[Series]:
    """Measure the installed programs; add to ``skipped`` what cannot be measured, and why."""
    measure, wanted = COMPARISONS[name]
    skipped += [f"{program.name}: {program.missing}" for program in wanted if program.missing]
    present = [program for program in wanted if not program.missing]
    started = time.monotonic()
    try:
        found = measure(setting.within(name), present)
    except CannotMeasureError as error:
        setting.say(f"{name}: SKIPPED: {error}")
        skipped.append(f"{name}: {error}")
        return []
    setting.say(f"{name}: done in {time.monotonic() - started:.0f} s")
    return found


def _document(
    setting: Setting,
    load: float,
    chosen: Sequence[str],
    skipped: Sequence[str],
    results: Mapping[str, Mapping[str, Any]],
    found: Sequence[Series],
) -> Document:
    return Document(
        taken=dt.datetime.now(dt.UTC).date().isoformat(),
        quick=setting.quick,
        rounds=setting.rounds,
        cores=len(setting.cores),
        processor=machine.processor(),
        system=machine.system(),
        load=round(load, 1),
        programs=machine.versions(),
        benchmarks=list(chosen),
        skipped=list(dict.fromkeys(skipped)),
        results=results,
        series=found,
    )


def _missed(document: Document) -> bool:
    return any(verdict.judgement is Judgement.MISSED for verdict in document.verdicts()) or any(
        not met for result in document.results.values() for met in result["targets"].values()
    )
