"""The files of ``deploy/observability``, each with what makes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from tools.observability import grafana, prometheus_rules, prometheus_tests

FILES: Final[Mapping[str, Callable[[], str]]] = {
    "grafana-dashboard.json": grafana.page,
    "prometheus-rules.yml": prometheus_rules.page,
    "prometheus-rules.test.yml": prometheus_tests.page,
}
"""By their names in the folder; ``docs/generate.py`` writes them."""
