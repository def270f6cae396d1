"""Whether a PromQL query names only what a gate, its rules or Prometheus itself provides."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from headgate.telemetry.metrics import METRICS, Kind
from tests.support.promql import Use, read
from tools.observability import prometheus_rules
from tools.observability.rules_file import Recording

OPEN: Final[frozenset[str]] = frozenset()
"""The values of a label that are not known here, such as names in a configuration."""
OF_THE_TARGET: Final = {"job": OPEN, "instance": OPEN}
OF_PROMETHEUS: Final[Mapping[str, Mapping[str, frozenset[str]]]] = {
    "up": OF_THE_TARGET,
    "ALERTS": {
        **OF_THE_TARGET,
        "alertname": OPEN,
        "severity": frozenset({"page", "ticket"}),
        "alertstate": frozenset({"pending", "firing"}),
        "budget": frozenset({"gate", "mlflow"}),
        "upstream": OPEN,
    },
}
_PLAIN_VALUES: Final = re.compile(r"[\w./-]*(?:\|[\w./-]*)*")


def _declared() -> dict[str, dict[str, frozenset[str]]]:
    """Each series that can be scraped, with its labels and their values."""
    found: dict[str, dict[str, frozenset[str]]] = {}
    for metric in METRICS:
        # What the machine or the configuration has to be asked is described, not listed.
        labels = {
            label.name: OPEN if label.text else frozenset(label.values) for label in metric.labels
        }
        labels |= OF_THE_TARGET
        if metric.kind is Kind.HISTOGRAM:
            found[f"{metric.name}_bucket"] = {**labels, "le": OPEN}
            found[f"{metric.name}_sum"] = found[f"{metric.name}_count"] = labels
        else:
            found[metric.name] = labels
    return found


def _recorded() -> Iterator[tuple[str, dict[str, frozenset[str]]]]:
    rules = [
        rule
        for group in prometheus_rules.groups()
        for rule in group.rules
        if isinstance(rule, Recording)
    ]
    for name in {rule.record for rule in rules}:
        budgets = {rule.labels["budget"] for rule in rules if rule.record == name and rule.labels}
        yield name, {"job": OPEN, "budget": frozenset(budgets)}


KNOWN: Final = {**_declared(), **dict(_recorded()), **OF_PROMETHEUS}


def problems(query: str) -> list[str]:
    """What the query names and nothing provides."""
    names = read(query)
    found = [each for use in names.uses for each in _of_use(use)]
    provided = {label for use in names.uses for label in KNOWN.get(use.metric, {})}
    found += [f"no label {label}" for label in sorted(names.grouping - provided)]
    return found


def _of_use(use: Use) -> Iterator[str]:
    if use.metric not in KNOWN:
        yield f"no metric {use.metric}"
        return
    labels = KNOWN[use.metric]
    for matcher in use.matchers:
        if matcher.label not in labels:
            yield f"{use.metric} has no label {matcher.label}"
            continue
        values = labels[matcher.label]
        if values is OPEN or not values or "$" in matcher.value:
            continue
        wanted = matcher.value.split("|") if "~" in matcher.sign else [matcher.value]
        if not _PLAIN_VALUES.fullmatch(matcher.value):
            yield f"{use.metric}: {matcher.value} is no list of values"
        for value in wanted:
            if value not in values:
                yield f"{use.metric} has no {matcher.label}={value}"
