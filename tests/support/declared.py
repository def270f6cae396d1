"""Holds what a gate logs and exposes to what is declared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from headgate.events import EVENTS, field_names
from headgate.telemetry.log_fields import ACCESS_FIELDS, EVENT_FIELDS, JsonType, LogField
from headgate.telemetry.metrics import METRICS, Kind
from tests.support.prometheus import parse

_TYPES: Final[dict[JsonType, tuple[type, ...]]] = {
    JsonType.STRING: (str,),
    JsonType.INTEGER: (int,),
    JsonType.NUMBER: (int, float),
    JsonType.ARRAY: (list,),
}
_KINDS: Final = {kind.name: kind for kind in EVENTS}


def check_access_line(line: Mapping[str, Any]) -> None:
    """A line of the access log has the declared fields, in their order and of their types."""
    _check_fields(line, ACCESS_FIELDS)
    assert ("fault" in line) is ("detail" in line) is (line["reason"] != "ok")


def check_event_line(line: Mapping[str, Any]) -> None:
    """A line of the event log is of a declared kind, with its fields and no other."""
    common = [field for field in EVENT_FIELDS if field.name in line]
    _check_fields({field.name: line[field.name] for field in common}, EVENT_FIELDS)
    own = set(line) - {field.name for field in EVENT_FIELDS}
    if line["event"] == "log":
        assert not own
        assert not line["logger"].startswith("headgate")
        return
    kind = _KINDS[line["event"]]
    assert own <= set(field_names(kind))
    assert (line["level"], line["logger"]) == (kind.level, kind.logger)


def check_metrics(page: str) -> None:
    """A page of metrics has those that are declared, with their labels, and no other."""
    found = parse(page)
    assert list(found) == [metric.name for metric in METRICS]
    for metric in METRICS:
        family = found[metric.name]
        assert (family.kind, family.text) == (metric.kind, metric.text)
        values = {label.name: set(label.values) for label in metric.labels}
        open_labels = {label.name for label in metric.labels if label.named}
        if metric.kind is Kind.HISTOGRAM:
            values["le"] = {str(bound) for bound in (*metric.bounds, "+Inf")}
        for name, labels in family.samples:
            wanted = set(values) - ({"le"} if not name.endswith("_bucket") else set())
            assert {label for label, _ in labels} == wanted
            assert all(
                value in values[label] for label, value in labels if label not in open_labels
            )
            assert all(value for _, value in labels)


def _check_fields(line: Mapping[str, Any], fields: Iterable[LogField]) -> None:
    declared = {field.name: field for field in fields}
    assert [name for name in declared if name in line] == list(line)
    assert {name for name, field in declared.items() if not field.when} <= set(line)
    for name, value in line.items():
        assert isinstance(value, _TYPES[declared[name].type]), (name, value)
        assert not isinstance(value, bool)
