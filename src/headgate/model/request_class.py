"""The classes of requests that have a rate of their own, in one table.

The class of a request follows from its family: ``headgate.model.family`` gives a class to those
with heavy or costly requests, and all others are divided into reads and writes
(``headgate.contract.table``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class RequestClass:
    """A class of requests.

    Attributes:
        at: its place in ``REQUEST_CLASSES``.
        name: in messages, metrics and the configuration.
        covers: which requests are in it, for the documentation.
    """

    at: int
    name: str
    covers: str


READS: Final = RequestClass(0, "reads", "Requests that change nothing.")
WRITES: Final = RequestClass(1, "writes", "Requests that create, change or delete something.")
ARTIFACTS: Final = RequestClass(2, "artifacts", "Files: list, upload, download and remove them.")
TRACES: Final = RequestClass(
    3, "traces", "Traces: export them by OpenTelemetry, search, read, change and delete them."
)
AI_GATEWAY: Final = RequestClass(4, "ai_gateway", "Calls of MLflow's AI gateway, and its set-up.")

REQUEST_CLASSES: Final[Sequence[RequestClass]] = (READS, WRITES, ARTIFACTS, TRACES, AI_GATEWAY)
"""Every class, in the order of the configuration, of metrics and of pages."""
