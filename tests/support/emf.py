"""CloudWatch's side of the embedded metric format: checks a line, and takes the metrics out of it.

moto keeps log events as they are, and makes no metrics of them; so this does it, by "Specification:
Embedded metric format" of the CloudWatch user guide.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jsonschema

_TEXT: Final = {"type": "string", "pattern": "^(.*)$", "minLength": 1, "maxLength": 255}
UNITS: Final = (
    *("Seconds", "Microseconds", "Milliseconds"),
    *("Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes"),
    *("Bits", "Kilobits", "Megabits", "Gigabits", "Terabits"),
    *("Percent", "Count"),
    *("Bytes/Second", "Kilobytes/Second", "Megabytes/Second", "Gigabytes/Second"),
    *("Terabytes/Second", "Bits/Second", "Kilobits/Second", "Megabits/Second"),
    *("Gigabits/Second", "Terabits/Second", "Count/Second", "None"),
)
"""The 27 units of ``StandardUnit``."""
SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "required": ["_aws"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "properties": {
                "Timestamp": {"type": "integer"},
                "CloudWatchMetrics": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["Namespace", "Dimensions", "Metrics"],
                        "additionalProperties": False,  # "MUST NOT contain any additional members"
                        "properties": {
                            "Namespace": _TEXT,
                            "Dimensions": {
                                "type": "array",
                                "minItems": 1,
                                "items": {
                                    "type": "array",
                                    "minItems": 0,
                                    "maxItems": 30,
                                    "items": _TEXT,
                                },
                            },
                            "Metrics": {
                                "type": "array",
                                "maxItems": 100,
                                "items": {
                                    "type": "object",
                                    "required": ["Name"],
                                    "additionalProperties": False,
                                    "properties": {
                                        "Name": _TEXT,
                                        "Unit": {"type": "string", "enum": list(UNITS)},
                                        "StorageResolution": {"type": "integer", "enum": [1, 60]},
                                    },
                                },
                            },
                        },
                    },
                },
            },
        }
    },
}
"""The JSON schema of the specification, with the limits that its text adds."""
EVENT_BYTES: Final = 200_000
"""Below the limit of a log event, which was 256 KB and is 1 MB."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one document says of one metric."""

    namespace: str
    name: str
    unit: str
    dimensions: tuple[tuple[str, str], ...]
    values: tuple[float, ...]
    stamp: int


def checked(line: bytes) -> Mapping[str, Any]:
    """The document of a log event.

    Raises:
        AssertionError: it breaks a rule that its schema does not have.
        ValueError: it is not one JSON object.
        jsonschema.ValidationError: it does not fit its schema.
    """
    assert len(line) < EVENT_BYTES
    assert b"\n" not in line
    document: Mapping[str, Any] = json.loads(
        line, parse_constant=_no_constant, object_pairs_hook=_no_duplicates
    )
    jsonschema.validate(document, SCHEMA)
    for directive in document["_aws"]["CloudWatchMetrics"]:
        for name in {name for each in directive["Dimensions"] for name in each}:
            value = document[name]  # on the root, not nested
            assert isinstance(value, str)
            assert value.isascii()
            assert value.isprintable()
            assert value.strip()
            assert not value.startswith(":")
            assert len(value) <= 1024
        names = [each["Name"] for each in directive["Metrics"]]
        assert len(names) == len(set(names))
        for name in names:
            values = _values(document[name])
            assert 1 <= len(values) <= 100
            assert all(math.isfinite(each) for each in values)
    return document


def extracted(documents: Iterable[Mapping[str, Any]]) -> Iterator[Sample]:
    """What CloudWatch makes of documents: each metric, for each of its sets of dimensions."""
    for document in documents:
        for directive in document["_aws"]["CloudWatchMetrics"]:
            for names in directive["Dimensions"]:
                dimensions = tuple((name, document[name]) for name in sorted(names))
                for metric in directive["Metrics"]:
                    yield Sample(
                        directive["Namespace"],
                        metric["Name"],
                        metric.get("Unit", "None"),
                        dimensions,
                        tuple(_values(document[metric["Name"]])),
                        document["_aws"]["Timestamp"],
                    )


def identities(samples: Iterable[Sample]) -> set[tuple[str, str, tuple[tuple[str, str], ...]]]:
    """What is billed as a metric each: namespace, name and dimensions."""
    return {(each.namespace, each.name, each.dimensions) for each in samples}


def sums(samples: Iterable[Sample]) -> Mapping[tuple[str, tuple[str, ...]], float]:
    """The sum of each metric, by its name and the values of its dimensions."""
    found: defaultdict[tuple[str, tuple[str, ...]], float] = defaultdict(float)
    for each in samples:
        found[each.name, tuple(value for _, value in each.dimensions)] += sum(each.values)
    return found


def percentile(values: Sequence[float], share: float) -> float:
    """The value below or at which lies that share of the values."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _values(target: object) -> list[float]:
    values: list[Any] = target if isinstance(target, list) else [target]
    assert all(type(each) in (int, float) for each in values)
    return values


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names))
    return dict(pairs)
