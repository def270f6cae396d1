"""Settings of the metrics for Amazon CloudWatch."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from headgate.config.section import Section


def _not_amazons(value: str) -> str:
    if value.lower().startswith("aws/"):
        raise ValueError("namespaces that begin with 'AWS/' are Amazon's own")
    return value


# Both stand in names of alarms and in search expressions too, so they are plain words.  CloudWatch
# itself allows more (API reference, PutMetricData and Dimension).
Namespace = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,254}$"), AfterValidator(_not_amazons)
]
Service = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$")]


class CloudWatch(Section):
    """Metrics for Amazon CloudWatch, in its embedded metric format."""

    enabled: bool = Field(
        False,
        description="Write metrics once a minute where the access log is written, as JSON lines "
        "that CloudWatch Logs turns into metrics. They are written also with `log.access = false`.",
    )
    namespace: Namespace = Field(
        "Headgate",
        description="Namespace of the metrics: letters, digits, `.`, `_`, `/` and `-`.",
    )
    service: Service = Field(
        "headgate",
        description="Value of the dimension `Service`, the same for all tasks of a service; each "
        "value makes a set of metrics that is billed. Letters, digits, `.`, `_`, `/` and `-`.",
    )
