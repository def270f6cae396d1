"""Makes the protocol's metrics of the counters: what is declared, under OpenTelemetry's names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric as Message

from headgate.telemetry.metrics import Kind, Metric
from headgate.telemetry.otlp import names
from headgate.telemetry.otlp.http_durations import BOUNDS, DurationSeries
from headgate.telemetry.totals import Series, Totals

_CUMULATIVE: Final = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
# https://opentelemetry.io/docs/specs/semconv/system/process-metrics/; here of all processes.
_PROCESS: Final = {
    "process_cpu_seconds_total": "process.cpu.time",
    "process_resident_memory_bytes": "process.memory.usage",
    "process_open_fds": "process.open_file_descriptor.count",
}


def otlp_name(metric: Metric) -> str:
    """The name of a metric: without its unit and without ``_total``, and with a namespace.

    What a collector shows to Prometheus has both again, which comes to the name that the gate
    itself shows (https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/).
    """
    if metric.name in _PROCESS:
        return _PROCESS[metric.name]
    namespace, _, rest = metric.name.partition("_")
    return f"{namespace}.{rest.removesuffix('_total').removesuffix('_seconds')}"


def message_of(metric: Metric, totals: Totals, begin: int, now: int) -> Message | None:
    """One metric with all series that are to be shown; ``None`` where there are none.

    Args:
        metric: the metric.
        totals: what was counted.
        begin: since when, in nanoseconds since the epoch.
        now: until when.
    """
    message = Message(name=otlp_name(metric), description=metric.text, unit=metric.unit)
    points = _points(message, metric.kind)
    for series in totals.series(metric):
        point = points.add(time_unix_nano=now)
        if metric.kind is not Kind.GAUGE:
            point.start_time_unix_nano = begin
        for label, value in zip(metric.labels, series.labels, strict=True):
            point.attributes.add(key=label.name).value.string_value = value
        _fill(point, metric, series)
    return message if len(points) else None


def _points(message: Message, kind: Kind) -> Any:
    if kind is Kind.GAUGE:
        return message.gauge.data_points
    if kind is Kind.HISTOGRAM:
        message.histogram.aggregation_temporality = _CUMULATIVE
        return message.histogram.data_points
    message.sum.aggregation_temporality = _CUMULATIVE
    message.sum.is_monotonic = True
    return message.sum.data_points


def _fill(point: Any, metric: Metric, series: Series) -> None:
    if metric.kind is Kind.HISTOGRAM:
        *buckets, total = series.cells
        _fill_histogram(point, buckets, metric.bounds, total * metric.scale)
    elif metric.scale == 1.0:
        point.as_int = int(series.cells[0])
    else:
        point.as_double = series.cells[0] * metric.scale


def _fill_histogram(
    point: Any, buckets: Sequence[int], bounds: Sequence[float], total: float
) -> None:
    point.bucket_counts.extend(buckets)
    point.explicit_bounds.extend(bounds)
    point.count = sum(buckets)
    point.sum = total


def server_durations(
    series: Iterable[DurationSeries], scheme: str, begin: int, now: int
) -> Message | None:
    """The metric ``http.server.request.duration``."""
    attributes = (
        names.HTTP_REQUEST_METHOD,
        names.HTTP_RESPONSE_STATUS_CODE,
        names.FAMILY,
        names.ERROR_TYPE,
    )
    return _durations(
        names.HTTP_SERVER_REQUEST_DURATION,
        "Duration of HTTP server requests.",
        ((each, _named(attributes, each, scheme)) for each in series),
        begin,
        now,
    )


def client_durations(
    series: Iterable[DurationSeries], schemes: dict[str, str], begin: int, now: int
) -> Message | None:
    """The metric ``http.client.request.duration``: of the attempts at endpoints.

    Args:
        series: what was counted.
        schemes: of each upstream's URL, by its name.
        begin: since when, in nanoseconds since the epoch.
        now: until when.
    """
    attributes = (
        names.HTTP_REQUEST_METHOD,
        names.HTTP_RESPONSE_STATUS_CODE,
        names.UPSTREAM,
        names.SERVER_ADDRESS,
        names.SERVER_PORT,
        names.ERROR_TYPE,
    )
    found = []
    for each in series:
        scheme = schemes.get(each.key[2], "http") if each.key is not None else ""
        found.append((each, _named(attributes, each, scheme)))
    text = "Duration of HTTP client requests."
    return _durations(names.HTTP_CLIENT_REQUEST_DURATION, text, found, begin, now)


def _named(
    attributes: Sequence[str], series: DurationSeries, scheme: str
) -> Iterator[tuple[str, str]]:
    if series.key is None:
        yield names.OVERFLOW, "true"
        return
    yield from zip(attributes, series.key, strict=True)
    yield names.URL_SCHEME, scheme


def _durations(
    name: str,
    text: str,
    series: Iterable[tuple[DurationSeries, Iterable[tuple[str, str]]]],
    begin: int,
    now: int,
) -> Message | None:
    message = Message(name=name, description=text, unit="s")
    points = _points(message, Kind.HISTOGRAM)
    for each, attributes in series:
        point = points.add(start_time_unix_nano=begin, time_unix_nano=now)
        for attribute, value in attributes:
            _add(point.attributes, attribute, value)
        _fill_histogram(point, each.buckets, BOUNDS, each.total)
    return message if len(points) else None


def _add(attributes: Any, name: str, value: str) -> None:
    """Add an attribute in the type that the conventions say, unless it has no value."""
    if name in (names.HTTP_RESPONSE_STATUS_CODE, names.SERVER_PORT):
        if value.isdecimal() and value != "0":
            attributes.add(key=name).value.int_value = int(value)
    elif name == names.OVERFLOW:
        attributes.add(key=name).value.bool_value = True
    elif value:
        attributes.add(key=name).value.string_value = value
