"""The queries of the Grafana dashboard, with its variables filled in as Grafana does."""

from __future__ import annotations

from collections.abc import Iterator

from tools.observability.grafana import ROWS

_VALUES = {
    "$__rate_interval": "1m",
    "$__range": "1h",
    "$job": ".*",
    "$instance": ".*",
    "$upstream": ".*",
}


def dashboard_queries() -> Iterator[tuple[str, str]]:
    """The title of a panel, and a query of it, for each query."""
    for row in ROWS:
        for panel in row.panels:
            for query in panel.queries:
                text = query.expr
                for variable, value in _VALUES.items():
                    text = text.replace(variable, value)
                yield panel.title, text
