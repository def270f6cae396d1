"""What the gate says of itself: the resource of spans and metrics."""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from headgate import __version__
from headgate.config import Otlp
from headgate.telemetry.otlp import names


def resource_attributes(settings: Otlp, instance: str) -> dict[str, str]:
    """The attributes by name: those of the configuration, and the gate's own.

    Args:
        settings: of the export.
        instance: tells this gate from all others, and from itself after a restart.
    """
    configured = settings.resource_attributes
    return {
        names.SERVICE_VERSION: __version__,
        names.SERVICE_INSTANCE_ID: instance,
        **configured,
        names.SERVICE_NAME: service_name(settings),
    }


def service_name(settings: Otlp) -> str:
    """The name of the service: ``service_name``, or else what the attributes have."""
    if "service_name" not in settings.model_fields_set:
        return settings.resource_attributes.get(names.SERVICE_NAME, settings.service_name)
    return settings.service_name


def as_messages(attributes: Mapping[str, str]) -> list[KeyValue]:
    """Attributes as the protocol has them."""
    return [
        KeyValue(key=name, value=AnyValue(string_value=value)) for name, value in attributes.items()
    ]
