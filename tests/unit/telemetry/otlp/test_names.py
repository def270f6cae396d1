"""Names of attributes and metrics, against the constants of OpenTelemetry's own package."""

from __future__ import annotations

from opentelemetry.semconv.attributes import (
    client_attributes,
    error_attributes,
    http_attributes,
    network_attributes,
    otel_attributes,
    server_attributes,
    service_attributes,
    url_attributes,
    user_agent_attributes,
)
from opentelemetry.semconv.metrics import http_metrics

from headgate.telemetry.otlp import names
from headgate.telemetry.otlp.http_durations import BOUNDS

_STABLE = (
    client_attributes,
    error_attributes,
    http_attributes,
    network_attributes,
    otel_attributes,
    server_attributes,
    service_attributes,
    url_attributes,
    user_agent_attributes,
    http_metrics,
)
# https://opentelemetry.io/docs/specs/otel/metrics/sdk/#overflow-attribute, no semantic convention.
_OF_THE_SDK = {"OVERFLOW": "otel.metric.overflow"}


def test_each_name_is_a_stable_one_or_headgates_own() -> None:
    known = {
        name: value for each in _STABLE for name, value in vars(each).items() if name.isupper()
    }
    for name, value in vars(names).items():
        if name.isupper() and isinstance(value, str) and not value.startswith("headgate."):
            if name == "OTHER_METHOD":
                assert value == http_attributes.HttpRequestMethodValues.OTHER.value
            else:
                assert (known | _OF_THE_SDK)[name] == value


def test_the_methods_are_those_of_the_conventions() -> None:
    known = {each.value for each in http_attributes.HttpRequestMethodValues}
    assert known - {names.OTHER_METHOD} | {"QUERY"} == names.METHODS


def test_the_bounds_begin_with_those_of_the_conventions() -> None:
    """https://opentelemetry.io/docs/specs/semconv/http/http-metrics/ has no constant for them."""
    advised = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
    assert BOUNDS[: len(advised)] == advised
    assert sorted(BOUNDS) == list(BOUNDS)
