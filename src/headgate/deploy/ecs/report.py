"""The report of a drill, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from headgate.deploy.ecs.drill import Act, Performance
from headgate.deploy.ecs.faults import MEANING

NOT_AWS = "This drill was not run on real AWS: the commands asked {endpoint}."


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Where and with what a drill was run.

    Attributes:
        at: seconds since the epoch.
        endpoint: of ECS, if it is not that of AWS; else empty.
        verified: the address that was verified; empty for none.
        versions: of what took part, by name.
    """

    at: float
    cluster: str
    service: str
    region: str
    operator: str
    image: str
    endpoint: str
    verified: str
    versions: Mapping[str, str]


def markdown(where: Circumstances, found: Performance) -> str:
    """The whole report."""
    return "\n".join(_lines(where, found)) + "\n"


def _lines(where: Circumstances, found: Performance) -> Iterator[str]:
    at = datetime.fromtimestamp(where.at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    yield f"# Drill of {where.service} in {where.cluster}, {at}"
    yield ""
    yield "**Passed.**" if not found.problem else f"**Failed.** {found.problem}."
    if where.endpoint:
        yield ""
        yield NOT_AWS.format(endpoint=where.endpoint)
    yield ""
    yield from _table("Circumstance", "Value", [*_circumstances(where, found)])
    yield ""
    yield "| Command | Ended as | Time | Of it the way back |"
    yield "| --- | --- | ---: | ---: |"
    yield from map(_row, found.acts)
    yield from (line for act in found.acts for line in _act(act))


def _circumstances(where: Circumstances, found: Performance) -> Iterator[tuple[str, str]]:
    yield "Environment", found.environment
    yield "Region", where.region
    yield "Operator", where.operator
    yield "Image", where.image
    yield "Fault", f"`{found.fault.value}`: {MEANING[found.fault]}"
    yield "Verified", where.verified or "nothing: no address was given"
    if found.before is None:
        yield "MLflow's schema", "not compared: no address was given"
    elif found.after is None:
        yield "MLflow's schema", f"{found.before} before; it could not be asked for after"
    elif found.before == found.after:
        yield "MLflow's schema", f"the same before and after: {found.before}"
    else:
        yield "MLflow's schema", f"{found.before} before, {found.after} after"
    yield from where.versions.items()


def _row(act: Act) -> str:
    back = f"{act.seconds_back:.1f} s" if act.seconds_back else "-"
    ended = f"{_ended(act)}{'' if not act.problem else ', which it must not'}"
    return f"| {_escaped(act.name)} | {ended} | {act.outcome.seconds:.1f} s | {back} |"


def _ended(act: Act) -> str:
    return act.outcome.code.name.replace("_", " ").lower()


def _act(act: Act) -> Iterator[str]:
    yield ""
    yield f"## {act.name[0].upper()}{act.name[1:]}"
    yield ""
    ended = _ended(act).capitalize()
    yield f"{ended} in {act.outcome.seconds:.1f} s: {_escaped(act.outcome.summary)}."
    if act.outcome.advice:
        yield ""
        yield f"Next: {_escaped(act.outcome.advice)}."
    yield ""
    rows = [
        (each.step.value, f"{each.seconds:.1f} s", "passed" if each.passed else "failed", each.note)
        for each in act.outcome.phases
    ]
    yield "| Phase | Time | Result | Found |"
    yield "| --- | ---: | --- | --- |"
    yield from (f"| {' | '.join(map(_escaped, row))} |" for row in rows)


def _table(left: str, right: str, rows: list[tuple[str, str]]) -> Iterator[str]:
    yield f"| {left} | {right} |"
    yield "| --- | --- |"
    for name, value in rows:
        yield f"| {name} | {_escaped(value)} |"


def _escaped(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
