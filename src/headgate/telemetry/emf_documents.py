"""Documents in CloudWatch's embedded metric format: a JSON line each, within every limit.

The rules are those of "Specification: Embedded metric format" in the CloudWatch user guide: at most
100 metrics in a directive and 100 values for a metric, dimensions and values on the root of the
document, one of 27 units.  A line is no longer than what a pipe takes whole, so that no other
process's line ever stands within it; that is far below the limit of a log event.
"""

from __future__ import annotations

import enum
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from headgate.telemetry.line_sink import PIPE_BATCH

MAX_METRICS: Final = 100
"""Metric definitions in a directive (MetricDirective object)."""
MAX_VALUES: Final = 100
"""Values of one metric in a document (target members)."""
MAX_DIMENSION_VALUE: Final = 255
"""Characters of a dimension's value; CloudWatch takes 1,024 (API reference, Dimension)."""
EVENT: Final = "metrics"
"""What these lines have for ``event``, which tells them from those of requests."""


class Unit(enum.StrEnum):
    """The units that the gate's metrics have, of CloudWatch's 27 (``StandardUnit``)."""

    SECONDS = "Seconds"
    COUNT = "Count"
    NONE = "None"


@dataclass(frozen=True, slots=True)
class Datum:
    """The values of one metric in one minute.

    Attributes:
        name: of the metric.
        unit: of its values.
        dimensions: by their names; the service is one of them.
        values: at least one; finite.
    """

    name: str
    unit: Unit
    dimensions: Mapping[str, str]
    values: Sequence[float]


def documents(
    namespace: str, data: Sequence[Datum], stamp: float, longest: int = PIPE_BATCH
) -> Iterator[bytes]:
    """Documents with all values of ``data`` but those that are not finite, each a line.

    Args:
        namespace: of the metrics.
        data: at most one for each name with the same dimensions.
        stamp: the moment that they are for, in seconds since 1970.
        longest: how many bytes a line may have, its end included.
    """
    groups: dict[tuple[tuple[str, str], ...], list[Datum]] = {}
    for datum in data:
        key = tuple((name, dimension_value(value)) for name, value in datum.dimensions.items())
        groups.setdefault(key, []).extend(_parts(datum, dict(key)))
    for dimensions, parts in groups.items():
        page = _Page(namespace, dict(dimensions), stamp)
        waiting = parts
        while waiting:
            left = [part for part in waiting if not page.takes(part, longest)]
            yield page.document()
            page, waiting = _Page(namespace, dict(dimensions), stamp), left


def _parts(datum: Datum, dimensions: Mapping[str, str]) -> Iterator[Datum]:
    """The datum in parts that a document has room for."""
    values = [each for each in datum.values if math.isfinite(each)]
    for start in range(0, len(values), MAX_VALUES):
        part = values[start : start + MAX_VALUES]
        yield Datum(datum.name, datum.unit, dimensions, part)


def dimension_value(text: str) -> str:
    """``text`` as CloudWatch takes it: ASCII without control characters, not blank, not too long.

    It must not begin with a colon either (API reference, Dimension).
    """
    plain = "".join(each if each.isascii() and each.isprintable() else "_" for each in text)
    plain = plain[:MAX_DIMENSION_VALUE]
    if plain.startswith(":"):
        plain = "_" + plain[1:]
    return plain if plain.strip() else "none"


class _Page:
    """A document that is being put together."""

    def __init__(self, namespace: str, dimensions: Mapping[str, str], stamp: float) -> None:
        self._names: set[str] = set()
        self._definitions: list[dict[str, str]] = []
        self._root: dict[str, Any] = {
            "time": _rfc3339(stamp),
            "event": EVENT,
            "_aws": {
                "Timestamp": _milliseconds(stamp),
                "CloudWatchMetrics": [
                    {
                        "Namespace": namespace,
                        "Dimensions": [list(dimensions)],
                        "Metrics": self._definitions,
                    }
                ],
            },
            **dimensions,
        }
        self._size = len(_dumped(self._root)) + 1

    def takes(self, datum: Datum, longest: int) -> bool:
        """Add the datum if there is room; a page without any takes what it must."""
        if datum.name in self._names or len(self._definitions) == MAX_METRICS:
            return False
        definition = {"Name": datum.name, "Unit": datum.unit.value}
        values = datum.values[0] if len(datum.values) == 1 else list(datum.values)
        size = len(_dumped(definition)) + len(_dumped({datum.name: values}))
        if self._definitions and self._size + size > longest:
            return False
        self._size += size
        self._names.add(datum.name)
        self._definitions.append(definition)
        self._root[datum.name] = values
        return True

    def document(self) -> bytes:
        """What was put together."""
        return _dumped(self._root) + b"\n"


def _milliseconds(stamp: float) -> int:
    return max(0, int(stamp * 1000))


def _rfc3339(stamp: float) -> str:
    milliseconds = _milliseconds(stamp)
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(milliseconds // 1000))
    return f"{moment}.{milliseconds % 1000:03d}Z"


def _dumped(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")
