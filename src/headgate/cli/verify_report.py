"""The output of ``headgate verify``: a line for each step, a table, or JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from headgate.cli.progress import clocked
from headgate.cli.verifier import Event

_ANSWERERS = {
    "gate": "Headgate",
    "mlflow": "MLflow",
    "other": "another server",
    "nobody": "nobody",
}
_INDENT = " " * 9
_STYLES = {"passed": "green", "failed": "bold red", "skipped": "yellow", "not run": "yellow"}


@dataclass
class StepResult:
    """The result of one step.  ``seconds`` is its duration; ``failure`` explains a failed one."""

    name: str
    result: str = "not run"
    seconds: float = 0.0
    detail: str = ""
    repeated: list[str] = field(default_factory=list)
    failure: Mapping[str, Any] | None = None


@dataclass
class Report:
    """The whole result."""

    url: str
    auth: str
    keep: bool = False
    client: str = ""
    name: str = ""
    seconds: float = 0.0
    complete: bool = False
    error: str = ""
    leftovers: list[str] = field(default_factory=list)
    steps: dict[str, StepResult] = field(default_factory=dict)

    def add(self, event: Event) -> StepResult | None:
        """Process an event; return the step that it ended, if any."""
        match event["event"]:
            case "plan":
                self.client, self.name = event["client"], event["name"]
                self.steps = {name: StepResult(name) for name in event["steps"]}
            case "summary":
                self.complete = True
                self.seconds, self.leftovers = event["seconds"], event["leftovers"]
            case "passed" | "failed" | "skipped" as result:
                step = self.steps.setdefault(event["step"], StepResult(event["step"]))
                step.result = result
                step.seconds = event.get("seconds", 0.0)
                step.detail = event.get("detail") or event.get("why") or ""
                step.repeated = event.get("repeated", [])
                step.failure = event.get("failure")
                return step
        return None

    @property
    def passed(self) -> bool:
        """Whether every step passed."""
        return self.complete and all(step.result == "passed" for step in self.steps.values())

    def count(self, *results: str) -> int:
        """The number of steps with one of these results."""
        return sum(step.result in results for step in self.steps.values())

    def document(self) -> dict[str, Any]:
        """The report as a JSON object."""
        return {
            "ok": self.passed,
            "errors": [self.error] if self.error else [],
            "passed": self.passed,
            "url": self.url,
            "auth": self.auth,
            "client": self.client,
            "name": self.name,
            "seconds": self.seconds,
            "steps": [asdict(step) for step in self.steps.values()],
            "leftovers": self.leftovers,
            "error": self.error,
        }


class JsonView:
    """Prints one JSON document at the end."""

    @contextmanager
    def live(self) -> Iterator[None]:
        """Surround the run."""
        yield

    def show(self, report: Report, event: Event, ended: StepResult | None) -> None:
        """Show nothing yet."""

    def finish(self, report: Report) -> None:
        """Print the document."""
        print(json.dumps(report.document(), indent=2))


class ConsoleView:
    """Prints a line for each step, and a table of those that did not pass at the first attempt."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._name_width = 0
        self._progress = clocked(console)
        self._task = self._progress.add_task("starting the MLflow client", total=None)

    @contextmanager
    def live(self) -> Iterator[None]:
        """Show the running step and its time below the lines of finished steps."""
        with self._progress:
            yield

    def show(self, report: Report, event: Event, ended: StepResult | None) -> None:
        """Show one event."""
        if event["event"] == "plan":
            self._name_width = max(map(len, event["steps"]))
            self._line(f"Verifying {report.url} with {report.client}; key sent as {report.auth}")
        elif event["event"] == "started":
            self._progress.reset(self._task, description=event["step"])
        if ended is not None:
            self._show_step(ended)

    def _show_step(self, step: StepResult) -> None:
        name = f"  {step.name:<{self._name_width}}"
        self._line(_result(step, 7), name, f"  {_time(step):>8}  ", step.detail)
        for attempt in step.repeated:
            self._line(_INDENT, f"sent again after {attempt}")
        if step.failure is not None:
            for label, value in _explanation(step.failure):
                self._line(_INDENT, f"{label:<9}", value)

    def finish(self, report: Report) -> None:
        """Print the table of steps that did not simply pass, and the conclusion."""
        table = Table("step", "result", Column("time", justify="right"), "note")
        for step in report.steps.values():
            note = _note(step)
            if note or step.result != "passed":
                table.add_row(step.name, _result(step), _time(step), self._text(note))
        if table.row_count:
            self._console.print(table)
        for line in _conclusion(report):
            self._line(line)

    def _line(self, *parts: Text | str) -> None:
        texts = (part if isinstance(part, Text) else self._text(part) for part in parts)
        line = Text.assemble(*texts)
        line.rstrip()
        self._console.print(line, soft_wrap=True)

    def _text(self, text: str) -> Text:
        """``text`` in the terminal's encoding, without control characters."""
        encoding = self._console.encoding
        printable = "".join(character for character in text if character.isprintable())
        return Text(printable.encode(encoding, "replace").decode(encoding))


def _result(step: StepResult, width: int = 0) -> Text:
    return Text(step.result.ljust(width), style=_STYLES[step.result])


def _time(step: StepResult) -> str:
    return f"{step.seconds:.2f} s" if step.result in ("passed", "failed") else ""


def _note(step: StepResult) -> str:
    if step.failure is not None:
        return str(step.failure["cause"])
    if step.repeated:
        return f"after {len(step.repeated)} failed attempts"
    return step.detail if step.result == "skipped" else ""


def _explanation(failure: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The lines about a failed step."""
    if failure["request"]:
        yield "request", f"{failure['request']}: {failure['status'] or 'no response'}"
        yield "answered", _answered(failure)
    yield "message", failure["message"]
    yield "cause", failure["cause"]
    yield "next", failure["action"]


def _answered(failure: Mapping[str, Any]) -> str:
    by = _ANSWERERS.get(failure["answered_by"], "")
    origin = failure["reason"] or (failure["answered_by"] == "other" and failure["server"])
    request_id = failure["request_id"] and f", request id {failure['request_id']}"
    return f"{by} ({origin}){request_id}" if origin else f"{by}{request_id}"


def _conclusion(report: Report) -> Iterator[str]:
    if report.error:
        yield f"The verification did not finish: {report.error}"
        if report.name:
            yield f"Everything that it created in MLflow is named {report.name}."
    total = len(report.steps)
    if report.passed:
        yield f"All {total} steps passed in {report.seconds:.1f} s."
    elif report.complete:
        failed, skipped = report.count("failed"), report.count("skipped")
        yield f"{failed} of {total} steps failed, {skipped} were skipped."
    if report.leftovers:
        state = "Kept in MLflow" if report.keep else "May be left in MLflow"
        yield f"{state}: {', '.join(report.leftovers)}."
