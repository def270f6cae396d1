"""OpenTelemetry: where traces and metrics are sent, and which requests are traced."""

from __future__ import annotations

import enum
import importlib.util
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator, model_validator

from headgate.config.section import Section
from headgate.errors import Problem

NEEDS_EXTRA: Final = (
    "OpenTelemetry needs more Python packages than are installed: pip install headgate[otel]"
)
DISABLED: Final = "OTEL_SDK_DISABLED"
ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
# https://opentelemetry.io/docs/specs/otel/protocol/exporter/ and .../otel/configuration/
# sdk-environment-variables/: the setting that each variable is the default of.
_VARIABLES: Final = {
    ENDPOINT: "endpoint",
    "OTEL_EXPORTER_OTLP_CERTIFICATE": "ca",
    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "certificate",
    "OTEL_EXPORTER_OTLP_CLIENT_KEY": "key",
    "OTEL_EXPORTER_OTLP_COMPRESSION": "compression",
    "OTEL_EXPORTER_OTLP_TIMEOUT": "timeout",
    "OTEL_RESOURCE_ATTRIBUTES": "resource_attributes",
    "OTEL_SERVICE_NAME": "service_name",
}
_MOST_ATTRIBUTES: Final = 64
_LONGEST_TEXT: Final = 255
_PATH: Final = re.compile(r"(?:/[A-Za-z0-9._~%!$&'()*+,;=:@\-]*)*")


class Compression(enum.StrEnum):
    """How what is sent is compressed."""

    GZIP = "gzip"
    NONE = "none"


def _attributes(value: object) -> object:
    """Read ``key=value,key2=value2``, in which values are percent-encoded (W3C Baggage)."""
    if not isinstance(value, str):
        return value
    from urllib.parse import unquote  # noqa: PLC0415 - of an environment variable alone

    found = {}
    for member in value.split(","):
        if not member.strip():
            continue
        name, equals, text = member.partition("=")
        if not equals or not name.strip():
            raise ValueError("must be name=value, with a comma between two of them")
        found[name.strip()] = unquote(text.strip())
    return found


class Otlp(Section):
    """Traces and metrics for an OpenTelemetry collector, by OTLP over HTTP.

    Needs `pip install headgate[otel]`. A setting that is not given here has the value of
    OpenTelemetry's own environment variable, where there is one.
    """

    endpoint: str | None = Field(
        None,
        description="Base URL of the collector, such as `http://collector:4318`: traces are sent "
        "to `/v1/traces` below it, metrics to `/v1/metrics`. Without it nothing is sent. "
        "(`OTEL_EXPORTER_OTLP_ENDPOINT`, where the extra is installed and `OTEL_SDK_DISABLED` is "
        "not `true`.)",
    )
    headers_file: Path | None = Field(
        None,
        description="File with header fields to send, one `Name: value` on each line, such as the "
        "collector's credentials. The gate reads it again when it changes. "
        "(`OTEL_EXPORTER_OTLP_HEADERS`.)",
    )
    ca: Path | None = Field(
        None,
        description="PEM file with the certificate authorities to trust. Default: the system's. "
        "(`OTEL_EXPORTER_OTLP_CERTIFICATE`.)",
    )
    certificate: Path | None = Field(
        None,
        description="PEM file: the client certificate that the gate sends. "
        "(`OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE`.)",
    )
    key: Path | None = Field(
        None,
        description="PEM file: the private key of `certificate`, not encrypted. "
        "(`OTEL_EXPORTER_OTLP_CLIENT_KEY`.)",
    )
    timeout: float = Field(
        10,
        gt=0,
        le=60,
        allow_inf_nan=False,
        description="Seconds for one export, from the connection to the end of the response. "
        "(`OTEL_EXPORTER_OTLP_TIMEOUT`, in milliseconds.)",
    )
    compression: Compression = Field(
        Compression.GZIP,
        description="`gzip` or `none`. (`OTEL_EXPORTER_OTLP_COMPRESSION`.)",
    )
    metrics: bool = Field(True, description="Send metrics.")
    interval: float = Field(
        60,
        ge=1,
        le=3600,
        allow_inf_nan=False,
        description="Seconds between two exports of metrics.",
    )
    service_name: str = Field(
        "headgate",
        min_length=1,
        max_length=_LONGEST_TEXT,
        description="The resource attribute `service.name`. (`OTEL_SERVICE_NAME`.)",
    )
    resource_attributes: Annotated[dict[str, str], BeforeValidator(_attributes)] = Field(
        {},
        description="Further resource attributes, such as "
        '`{ "deployment.environment.name" = "production" }`; in the environment '
        "`name=value,name2=value2`. (`OTEL_RESOURCE_ATTRIBUTES`.)",
    )

    @field_validator("endpoint")
    @classmethod
    def _endpoint(cls, value: str | None) -> str | None:
        return None if value is None or not value.strip() else _checked_endpoint(value.strip())

    @field_validator("resource_attributes")
    @classmethod
    def _few(cls, value: dict[str, str]) -> dict[str, str]:
        if len(value) > _MOST_ATTRIBUTES:
            raise ValueError(f"must have at most {_MOST_ATTRIBUTES} attributes")
        for name, text in value.items():
            if not name or max(len(name), len(text)) > _LONGEST_TEXT:
                raise ValueError(
                    f"{name[:40]!r}: names and values have 1 to {_LONGEST_TEXT} characters"
                )
        return value

    @model_validator(mode="after")
    def _pair(self) -> Otlp:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key must be set together")
        return self

    @property
    def is_https(self) -> bool:
        """Whether the connection is encrypted."""
        return self.endpoint is not None and self.endpoint.startswith("https:")


class Traces(Section):
    """Which requests are traced, where `telemetry.otlp.endpoint` is set."""

    enabled: bool = Field(True, description="Make spans of requests, and send them.")
    ratio: float = Field(
        0.01,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Share of the requests that are traced, of those without a `traceparent` of "
        "a client with a valid key. It is decided by the trace id, as OpenTelemetry's SDKs do.",
    )
    parents_per_second: float = Field(
        20,
        ge=0,
        le=100_000,
        allow_inf_nan=False,
        description="Requests a second, in each worker, that are traced because a client with a "
        "valid key says so in its `traceparent`; 0: none. The same number, once more, holds for "
        "requests of others that come with a trace id of their own.",
    )
    errors_per_second: float = Field(
        20,
        ge=0,
        le=100_000,
        allow_inf_nan=False,
        description="Failed requests a second, in each worker, whose span is sent although they "
        "are not traced: those that ended with a status of 500 or more, or by a fault of the gate "
        "or MLflow.",
    )
    principal_ids: bool = Field(
        False,
        description="Put the id of the principal into spans (`headgate.principal.id`). Off, since "
        "it says who did what, and traces are often kept for long and read by many.",
    )


def from_environment(
    environment: Mapping[str, str], *, has_endpoint: bool
) -> Iterator[tuple[str, str, object]]:
    """OpenTelemetry's own variables: name, setting in ``[telemetry.otlp]``, and value.

    They are defaults, and are often set for many programs together.  So they never stop a gate that
    was not to send anything: the endpoint counts only where the extra is installed, and the others
    only where there is an endpoint.

    Args:
        environment: all variables.
        has_endpoint: whether the endpoint is set elsewhere.
    """
    if not has_endpoint:
        is_off = environment.get(DISABLED, "").strip().lower() == "true"
        if is_off or not environment.get(ENDPOINT, "").strip() or not is_installed():
            return
    for name, setting in _VARIABLES.items():
        if value := environment.get(name, "").strip():
            yield name, setting, _in_seconds(value) if setting == "timeout" else value


def is_installed() -> bool:
    """Whether the extra is installed."""
    try:
        return importlib.util.find_spec("opentelemetry.proto") is not None
    except ModuleNotFoundError:  # not even the package that it is part of
        return False


def problems(otlp: Otlp) -> Iterator[Problem]:
    """What is wrong with the settings that shows only beside others, or on this machine."""
    if otlp.endpoint is None:
        return
    if not is_installed():
        yield Problem("telemetry.otlp.endpoint", NEEDS_EXTRA)
    if not otlp.is_https:
        for setting in ("ca", "certificate", "key"):
            if setting in otlp.model_fields_set and getattr(otlp, setting) is not None:
                yield Problem(
                    f"telemetry.otlp.{setting}",
                    f"has no effect for the plain HTTP {otlp.endpoint}; use an https:// URL",
                )


def _in_seconds(milliseconds: str) -> object:
    try:
        return float(milliseconds) / 1000
    except ValueError:
        return milliseconds


def _checked_endpoint(value: str) -> str:
    """The base URL, without a slash at its end.

    Raises:
        ValueError: it cannot be sent to; the message says why, without what may be a password.
    """
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError("is not a URL such as http://collector:4318") from None
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not contain credentials: see headers_file")
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError("is not a URL such as http://collector:4318")
    if (
        not value.isascii()
        or not value.isprintable()
        or " " in value
        or "?" in value
        or "#" in value
    ):
        raise ValueError("must have no query, no fragment and no special characters")
    if _PATH.fullmatch(parts.path) is None:
        raise ValueError("has a path with characters that must be percent-encoded")
    base = value.rstrip("/")
    for signal in ("/v1/traces", "/v1/metrics"):
        if base.endswith(signal):
            raise ValueError(f"is a base URL: leave out {signal}")
    return base
