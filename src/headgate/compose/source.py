"""Where the configuration came from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from headgate.config import Config


@dataclass(frozen=True, slots=True)
class ConfigSource:
    """Where the configuration came from, to be read again while the gate runs.

    ``read`` raises ``ConfigError`` for one with problems; ``file`` is watched for changes.
    """

    read: Callable[[], Config]
    file: Path | None = None
