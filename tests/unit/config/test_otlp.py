"""The settings of OpenTelemetry, and its own environment variables as their defaults."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path

import pytest

from headgate.config import Compression, Config, exposed_secrets, load, otlp
from headgate.errors import ConfigError

COLLECTOR = "http://collector:4318"


def loaded(environment: Mapping[str, str] | None = None, **settings: object) -> Config:
    dotted = {f"telemetry.{name.replace('__', '.')}": value for name, value in settings.items()}
    return load(None, environment or {}, dotted)


def problems(environment: Mapping[str, str] | None = None, **settings: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(environment, **settings)
    return [str(each) for each in caught.value.problems]


def test_nothing_is_sent_by_default() -> None:
    assert loaded().telemetry.otlp.endpoint is None


@pytest.mark.parametrize(
    "written",
    [
        "http://collector:4318",
        "http://collector:4318/",
        " http://collector:4318",
        "https://[::1]/x",
    ],
)
def test_an_endpoint_is_a_base_url(written: str) -> None:
    endpoint = loaded(otlp__endpoint=written).telemetry.otlp.endpoint
    assert endpoint == written.strip().rstrip("/")


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("collector:4318", "is not a URL"),
        ("grpc://collector:4317", "is not a URL"),
        ("http://", "is not a URL"),
        ("http://collector:0", "is not a URL"),
        ("http://collector:port", "is not a URL"),
        ("http://user:canary@collector:4318", "must not contain credentials"),
        ("http://collector:4318?key=canary", "no query"),
        ("http://collector:4318#canary", "no query, no fragment"),
        ("http://collector:4318/a b", "no special characters"),
        ("http://collector:4318/<a>", "percent-encoded"),
        ("http://collector:4318/v1/traces", "is a base URL: leave out /v1/traces"),
        ("http://collector:4318/otlp/v1/metrics/", "is a base URL: leave out /v1/metrics"),
    ],
)
def test_an_endpoint_that_cannot_be_sent_to_is_explained(written: str, why: str) -> None:
    """Without repeating what may be a secret in it."""
    (problem,) = problems(otlp__endpoint=written)
    assert problem.startswith("telemetry.otlp.endpoint: ")
    assert why in problem
    assert "canary" not in problem


def test_all_problems_are_listed_together(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    found = problems(
        otlp__endpoint="ftp://collector",
        otlp__timeout=0,
        otlp__interval=0.5,
        otlp__compression="zip",
        traces__ratio=1.5,
        traces__errors_per_second=-1,
    )
    assert [each.partition(":")[0] for each in found] == [
        "telemetry.otlp.endpoint",
        "telemetry.otlp.timeout",
        "telemetry.otlp.compression",
        "telemetry.otlp.interval",
        "telemetry.traces.ratio",
        "telemetry.traces.errors_per_second",
    ]
    found = problems(otlp__endpoint=COLLECTOR, otlp__ca=gone, otlp__headers_file=gone)
    assert found == [
        f"telemetry.otlp.ca: has no effect for the plain HTTP {COLLECTOR}; use an https:// URL",
        f"telemetry.otlp.headers_file: {gone} cannot be read: No such file or directory",
        f"telemetry.otlp.ca: {gone} cannot be read: No such file or directory",
    ]


def test_a_certificate_needs_its_key(tmp_path: Path) -> None:
    found = problems(otlp__certificate=tmp_path / "some.pem")
    assert found == ["telemetry.otlp: certificate and key must be set together"]


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert problems(otlp__endpoint=COLLECTOR) == [
        f"telemetry.otlp.endpoint: {otlp.NEEDS_EXTRA}",
    ]
    assert "pip install headgate[otel]" in otlp.NEEDS_EXTRA


def test_opentelemetrys_variables_are_defaults() -> None:
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR,
        "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "2500",
        "OTEL_SERVICE_NAME": "gate-a",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=production%20eu, team=ml,",
    }
    found = loaded(environment).telemetry.otlp
    assert found.endpoint == COLLECTOR
    assert found.compression is Compression.NONE
    assert found.timeout == 2.5
    assert found.service_name == "gate-a"
    assert found.resource_attributes == {
        "deployment.environment.name": "production eu",
        "team": "ml",
    }


def test_settings_win_over_opentelemetrys_variables() -> None:
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://other:4318",
        "OTEL_SERVICE_NAME": "other",
        "HEADGATE_TELEMETRY__OTLP__ENDPOINT": COLLECTOR,
        "HEADGATE_TELEMETRY__OTLP__SERVICE_NAME": "gate-a",
    }
    found = loaded(environment).telemetry.otlp
    assert (found.endpoint, found.service_name) == (COLLECTOR, "gate-a")


def test_a_bad_variable_is_named() -> None:
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR,
        "OTEL_EXPORTER_OTLP_TIMEOUT": "soon",
        "OTEL_RESOURCE_ATTRIBUTES": "production",
    }
    found = problems(environment)
    assert [each.partition(": ")[0] for each in found] == [
        "telemetry.otlp.timeout (from OTEL_EXPORTER_OTLP_TIMEOUT)",
        "telemetry.otlp.resource_attributes (from OTEL_RESOURCE_ATTRIBUTES)",
    ]


@pytest.mark.parametrize(
    "environment",
    [
        {"OTEL_EXPORTER_OTLP_TIMEOUT": "soon"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR, "OTEL_SDK_DISABLED": "TRUE"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
    ],
)
def test_variables_for_other_programs_switch_nothing_on(environment: dict[str, str]) -> None:
    assert loaded(environment).telemetry.otlp.endpoint is None


def test_the_variable_switches_nothing_on_without_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is set for all of a cluster, and must not stop a gate."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert loaded({"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR}).telemetry.otlp.endpoint is None


def test_too_many_or_too_long_attributes_are_refused() -> None:
    assert "at most 64" in problems(otlp__resource_attributes={str(at): "" for at in range(65)})[0]
    assert "1 to 255" in problems(otlp__resource_attributes={"a": "b" * 256})[0]


def test_a_headers_file_that_everybody_may_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "headers"
    file.write_text("Authorization: Bearer x")
    file.chmod(0o644)
    settings = loaded(otlp__endpoint=COLLECTOR, otlp__headers_file=file)
    assert [each.path for each in exposed_secrets(settings)] == ["telemetry.otlp.headers_file"]
