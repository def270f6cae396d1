"""The pages of metrics, log fields and events have all that is declared."""

from __future__ import annotations

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
