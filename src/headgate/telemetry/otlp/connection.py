"""Connects to the collector as the configuration says."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

from headgate.config import Otlp
from headgate.config.certificate_files import show, trust
from headgate.config.files import Files
from headgate.telemetry.otlp.collector import Collector
from headgate.telemetry.otlp.headers import Fields, from_file, from_variable

HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"


def connect_to(endpoint: str, settings: Otlp, environment: Mapping[str, str]) -> Collector:
    """What sends to the endpoint of the settings.

    Raises:
        HeadgateError: a file cannot be read, or does not hold what it should.
    """
    files = Files()
    return Collector(
        endpoint, _context(settings, files), _fields(settings, files, environment), settings.timeout
    )


def files_of(settings: Otlp) -> tuple[Path, ...]:
    """The files that the connection depends on."""
    named = (settings.headers_file, settings.ca, settings.certificate, settings.key)
    return tuple(each for each in named if each is not None)


def _fields(settings: Otlp, files: Files, environment: Mapping[str, str]) -> Fields:
    if settings.headers_file is not None:
        return from_file(files.read(settings.headers_file), str(settings.headers_file))
    return from_variable(environment.get(HEADERS, ""))


def _context(settings: Otlp, files: Files) -> ssl.SSLContext | None:
    if not settings.is_https:
        return None
    if settings.ca is None:
        context = ssl.create_default_context()
    else:  # the authorities that are named, and no others
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trust(context, settings.ca, files)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.certificate is not None and settings.key is not None:
        show(context, settings.certificate, settings.key, files)
    return context
