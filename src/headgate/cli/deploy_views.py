"""The output of the commands that change a service: lines, a table of phases, or JSON."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import IO, Any, Protocol, cast

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from headgate.cli.output import document
from headgate.cli.progress import clocked
from headgate.cli.steady_output import SteadyOutput
from headgate.deploy.outcome import ExitCode, Outcome
from headgate.deploy.phases import Phase, Reporter, Source

_WIDTH = 21  # of the longest name of a phase
_STYLES = {True: "green", False: "bold red"}


class View(Reporter, Protocol):
    """A reporter that also shows the end.

    Attributes:
        output: where it writes, whatever becomes of the terminal.
    """

    output: SteadyOutput

    def heading(self, text: str) -> None:
        """What follows."""

    def finish(self, outcome: Outcome) -> None:
        """Show how the command ended."""

    @contextmanager
    def live(self) -> Iterator[None]:
        """Surround the run."""
        yield


class JsonView:
    """Prints one document at the end, with everything that happened."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.output = SteadyOutput()

    @contextmanager
    def live(self) -> Iterator[None]:
        """See ``View``."""
        yield

    def heading(self, text: str) -> None:
        """See ``View``."""

    def begun(self, step: StrEnum) -> None:
        """See ``Reporter``."""

    def ended(self, phase: Phase) -> None:
        """See ``Reporter``."""

    def status(self, text: str) -> None:
        """See ``Reporter``."""

    def news(self, source: Source, text: str) -> None:
        """See ``Reporter``."""
        self.events.append({"source": source.value, "text": text})

    def finish(self, outcome: Outcome) -> None:
        """See ``View``."""
        fields = outcome.document() | {"events": self.events}
        self.output.write(document(fields, ok=outcome.code is ExitCode.DONE) + "\n")
        self.output.flush()


class ConsoleView:
    """A line for each phase and each event; on a terminal, the phase under way below them."""

    def __init__(self) -> None:
        self.output = SteadyOutput()
        self._console = console = Console(file=cast(IO[str], self.output), highlight=False)
        self._step: StrEnum | None = None
        self._progress = clocked(console)
        self._task = self._progress.add_task("", total=None)
        self._last_status = ""

    @contextmanager
    def live(self) -> Iterator[None]:
        """See ``View``."""
        with self._progress:
            yield

    def heading(self, text: str) -> None:
        """See ``View``."""
        self._line("")
        self._line(f"{text[0].upper()}{text[1:]}")

    def begun(self, step: StrEnum) -> None:
        """See ``Reporter``."""
        self._step = step
        self._last_status = ""
        self._progress.reset(self._task, description=step.value)

    def ended(self, phase: Phase) -> None:
        """See ``Reporter``."""
        result = Text("passed" if phase.passed else "failed", style=_STYLES[phase.passed])
        self._line(result, f"  {phase.step.value:<{_WIDTH}}  {phase.seconds:>7.1f} s  {phase.note}")

    def status(self, text: str) -> None:
        """See ``Reporter``; without a terminal a line is printed where it says something new."""
        if not self._console.is_terminal:
            if text != self._last_status:
                self._line(f"        {text}")
            self._last_status = text
            return
        step = "" if self._step is None else f"{self._step.value}: "
        room = max(20, self._console.width - 12)
        self._progress.update(self._task, description=_printable(f"{step}{text}")[:room])

    def news(self, source: Source, text: str) -> None:
        """See ``Reporter``."""
        self._line(f"        {source.value}: {text}")

    def finish(self, outcome: Outcome) -> None:
        """See ``View``."""
        self._console.print(_table(outcome))
        name = outcome.code.name.replace("_", " ").capitalize()
        style = _STYLES[outcome.code is ExitCode.DONE]
        self._line(Text(name, style=style), f" in {outcome.seconds:.1f} s: {outcome.summary}.")
        if outcome.advice:
            self._line(f"Next: {outcome.advice}.")

    def _line(self, *parts: Text | str) -> None:
        texts = (part if isinstance(part, Text) else Text(_printable(part)) for part in parts)
        line = Text.assemble(*texts)
        line.rstrip()
        self._console.print(line, soft_wrap=True)


def _table(outcome: Outcome) -> Table:
    table = Table("phase", Column("time", justify="right"), "result")
    for phase in outcome.phases:
        result = Text("passed" if phase.passed else "failed", style=_STYLES[phase.passed])
        table.add_row(phase.step.value, f"{phase.seconds:.1f} s", result)
    return table


def _printable(text: str) -> str:
    """Without control characters: events of ECS and messages of tasks are others' words."""
    return "".join(each for each in " ".join(text.split("\n")) if each.isprintable())
