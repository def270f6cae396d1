"""Events of what is exported to other systems."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import ClassVar

from headgate.events.event import Event, Level


class ExportLossCause(enum.StrEnum):
    """Why spans or metrics are lost.

    ``FULL``: more are waiting than are kept.  ``REFUSED``: the collector does not take them.
    ``UNREACHABLE``: it does not respond, or says that it is overloaded.  ``ERROR``: its response is
    none of the protocol's, or the gate failed.
    """

    FULL = "full"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class ExportEvent(Event):
    """Something happened to the export to a collector.

    Attributes:
        exporter: of what: ``otlp_traces`` or ``otlp_metrics``.
    """

    logger: ClassVar[str] = "headgate.telemetry"

    exporter: str


@dataclass(frozen=True, slots=True)
class ExportFailed(ExportEvent):
    """Spans or metrics cannot be exported, or some are lost; at most one event in a minute.

    Attributes:
        cause: why: ``full``, ``refused``, ``unreachable`` or ``error``.
        lost: how many spans, or exports of metrics, were lost since the last such event.
        problem: what exactly happened last.
    """

    name: ClassVar[str] = "export_failed"
    level: ClassVar[Level] = Level.WARNING

    cause: ExportLossCause
    lost: int
    problem: str

    def message(self) -> str:
        lost = f"{self.lost} are lost" if self.lost else "none are lost yet"
        return f"{self.exporter} cannot be exported, and {lost}: {self.problem}"


@dataclass(frozen=True, slots=True)
class ExportRecovered(ExportEvent):
    """The export works again.

    Attributes:
        lost: how many spans, or exports of metrics, were lost since the last event.
    """

    name: ClassVar[str] = "export_recovered"

    lost: int

    def message(self) -> str:
        lost = f"; {self.lost} more were lost" if self.lost else ""
        return f"{self.exporter} are exported again{lost}"
