"""The pages of metrics, log fields and events have all that is declared."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.reference_pages import events, log_fields, metrics
from headgate.events import EVENTS, Event, field_names
from headgate.telemetry.log_fields import ACCESS_FIELDS, EVENT_FIELDS
from headgate.telemetry.metrics import METRICS


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.name)
def test_each_event_and_each_of_its_fields_is_described(kind: type[Event]) -> None:
    assert events.meaning(kind).endswith(".")
    described = events.field_meanings(kind)
    assert list(described) == field_names(kind)
    assert all(described.values())


def test_each_metric_has_a_row_and_each_label_its_values() -> None:
    page = metrics.page()
    for metric in METRICS:
        assert f"| `{metric.name}` | {metric.kind} |" in page
        for label in metric.labels:
            values = ", ".join(f"`{value}`" for value in label.values)
            assert (label.text or values) in page


def test_each_field_of_the_logs_has_a_row() -> None:
    page = log_fields.page()
    assert all(f"| `{field.name}` | {field.type} |" in page for field in ACCESS_FIELDS)
    assert all(f"| `{field.name}` | {field.type} |" in page for field in EVENT_FIELDS)


def test_pages_name_metrics_that_there_are() -> None:
    root = Path(__file__).parents[3]
    known = {metric.name for metric in METRICS}
    known |= {f"{name}_{part}" for name in known for part in ("bucket", "sum", "count")}
    pages = [each for each in (root / "docs").rglob("*.md") if each.parent.name != "adr"]
    named = {
        (page.name, name)
        for page in pages
        for name in re.findall(r"\bheadgate_[a-z0-9_]+[a-z0-9]\b(?!…|\*)", page.read_text("utf-8"))
        if name != "headgate_verify"  # a package
    }
    assert len(named) > 80
    assert {each for each in named if each[1] not in known} == set()
