"""The dashboard in Grafana's form: the JSON model that Grafana imports.

Source: Grafana's documentation, "Dashboard JSON model", and the schemas in its ``kinds/dashboard``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tools.observability.dashboard import Kind, Panel, Query, Row
from tools.observability.dashboard_of_parts import (
    AUTHENTICATION,
    LIMITS,
    PROCESSES,
    TELEMETRY,
    UPSTREAMS,
)
from tools.observability.dashboard_of_service import (
    ERRORS,
    LATENCY,
    MAINTENANCE,
    OBJECTIVES,
    TRAFFIC,
)

ROWS: Final[Sequence[Row]] = (
    OBJECTIVES,
    TRAFFIC,
    LATENCY,
    MAINTENANCE,
    ERRORS,
    UPSTREAMS,
    LIMITS,
    AUTHENTICATION,
    TELEMETRY,
    PROCESSES,
)
"""The whole dashboard, from what is looked at first to what is looked at last."""

SCHEMA: Final = 41  # of Grafana 12.0
COLUMNS: Final = 24
_HEIGHT: Final = 8
_STAT_HEIGHT: Final = 5
_DATA: Final = {"type": "prometheus", "uid": "${datasource}"}
_RUNBOOK: Final = "${docs}/how-to/respond-to-alerts.md"

_Object = dict[str, Any]


def page() -> str:
    """The file."""
    return json.dumps(dashboard(), indent=2) + "\n"


def dashboard() -> _Object:
    """The whole dashboard."""
    return {
        "uid": "headgate",
        "title": "Headgate",
        "description": "An authenticating gate in front of MLflow. Generated from the gate's "
        "declaration of metrics; changes made here are lost with the next version.",
        "tags": ["headgate", "mlflow"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "fiscalYearStartMonth": 0,
        "annotations": {"list": [_restarts()]},
        "links": [_link("Runbook", _RUNBOOK), _link("Metrics", "${docs}/reference/metrics.md")],
        "templating": {"list": _variables()},
        "panels": list(_panels()),
    }


def _variables() -> Sequence[_Object]:
    return (
        {
            "name": "datasource",
            "label": "Prometheus",
            "type": "datasource",
            "query": "prometheus",
            "refresh": 1,
            "current": {},
            "options": [],
        },
        _values("job", "Job", "label_values(headgate_build_info, job)"),
        _values("instance", "Gate", 'label_values(headgate_build_info{job=~"$job"}, instance)'),
        _values(
            "upstream",
            "Upstream",
            "label_values(headgate_upstream_endpoints_in_service"
            '{job=~"$job", instance=~"$instance"}, upstream)',
        ),
        {
            "name": "docs",
            "label": "Documentation",
            "description": "Where the folder docs of this version can be read; links lead there.",
            "type": "textbox",
            "query": "https://example.com/headgate/docs",
            "current": {
                "text": "https://example.com/headgate/docs",
                "value": "https://example.com/headgate/docs",
            },
            "options": [],
        },
    )


def _values(name: str, label: str, query: str) -> _Object:
    """A variable with all values of a label, several of which can be chosen."""
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": _DATA,
        "definition": query,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
        "options": [],
    }


def _restarts() -> _Object:
    """A mark where a gate started."""
    return {
        "name": "Starts of a gate",
        "datasource": _DATA,
        "enable": True,
        "iconColor": "blue",
        "expr": 'changes(process_start_time_seconds{job=~"$job", instance=~"$instance"}'
        "[$__rate_interval]) > 0",
        "titleFormat": "{{instance}} started",
    }


def _panels() -> Iterator[_Object]:
    """All panels, each at its place; a collapsed row has its own within it."""
    number = y = 0
    for row in ROWS:
        number += 1
        header: _Object = {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": row.collapsed,
            "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": y},
            "panels": [],
        }
        y += 1
        inner = []
        x = height = 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y, height = 0, y + height, 0
            number += 1
            tall = _STAT_HEIGHT if panel.kind is Kind.STAT else _HEIGHT
            inner.append(_panel(panel, number, {"h": tall, "w": panel.width, "x": x, "y": y}))
            x, height = x + panel.width, max(height, tall)
        y += height
        if row.collapsed:
            header["panels"] = inner
            yield header
        else:
            yield header
            yield from inner


def _panel(panel: Panel, number: int, place: Mapping[str, int]) -> _Object:
    return {
        "id": number,
        "type": "timeseries" if panel.kind is Kind.STACKED else panel.kind.value,
        "title": panel.title,
        "description": panel.text,
        "datasource": _DATA,
        "gridPos": place,
        "links": [
            _link(f"Runbook: {alert.name}", f"{_RUNBOOK}#{alert.anchor}")
            for alert in panel.watched_by
        ],
        "targets": [
            _target(query, chr(ord("A") + at), panel) for at, query in enumerate(panel.queries)
        ],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel),
    }


def _target(query: Query, letter: str, panel: Panel) -> _Object:
    now = panel.kind in (Kind.STAT, Kind.TABLE)
    return {
        "refId": letter,
        "datasource": _DATA,
        "editorMode": "code",
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "range": not now,
        "instant": now,
        "exemplar": panel.exemplars,
        **({"format": "table"} if panel.kind is Kind.TABLE else {}),
    }


def _defaults(panel: Panel) -> _Object:
    steps = panel.steps or (("green", None),)
    defaults: _Object = {
        "unit": panel.unit.value,
        "thresholds": {
            "mode": "absolute",
            "steps": [{"color": color, "value": value} for color, value in steps],
        },
        "color": {"mode": "thresholds" if panel.kind is Kind.STAT else "palette-classic"},
    }
    if panel.kind in (Kind.TIME, Kind.STACKED):
        stacked = panel.kind is Kind.STACKED
        defaults["min"] = 0
        defaults["custom"] = {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 30 if stacked else 5,
            "showPoints": "never",
            "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
            "thresholdsStyle": {"mode": "line" if panel.steps else "off"},
        }
    return defaults


def _options(panel: Panel) -> _Object:
    if panel.kind is Kind.TABLE:
        return {"showHeader": True, "cellHeight": "sm"}
    if panel.kind is Kind.STAT:
        return {
            "colorMode": "value",
            "graphMode": "none",
            "textMode": "auto",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        }
    return {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }


def _link(title: str, url: str) -> _Object:
    return {"title": title, "type": "link", "url": url, "targetBlank": True}
