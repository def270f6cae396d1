"""The files of ``deploy/observability``, each with what makes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from tools.observability import (
    cloudwatch_alarms,
    cloudwatch_dashboard,
    cloudwatch_queries,
    grafana,
    prometheus_rules,
    prometheus_tests,
)

FILES: Final[Mapping[str, Callable[[], str]]] = {
    "cloudwatch-alarms.json": cloudwatch_alarms.page,
    "cloudwatch-dashboard.json": cloudwatch_dashboard.page,
    "cloudwatch-queries.json": cloudwatch_queries.page,
    "grafana-dashboard.json": grafana.page,
    "prometheus-rules.yml": prometheus_rules.page,
    "prometheus-rules.test.yml": prometheus_tests.page,
}
"""By their names in the folder; ``docs/generate.py`` writes them."""
