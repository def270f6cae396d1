"""The files of ``deploy/observability``, each with what makes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from tools.observability import prometheus_rules

FILES: Final[Mapping[str, Callable[[], str]]] = {
    "prometheus-rules.yml": prometheus_rules.page,
}
"""By their names in the folder; ``docs/generate.py`` writes them."""
