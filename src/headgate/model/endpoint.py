"""What serves an upstream."""

from __future__ import annotations

import enum
from typing import NamedTuple


class Api(enum.StrEnum):
    """The APIs of MLflow that health checks can use."""

    EXPERIMENTS = "experiments"
    MODELS = "models"
    ARTIFACTS = "artifacts"
    TRACES = "traces"


class Endpoint(NamedTuple):
    """One address that serves an upstream."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
