"""What the files for CloudWatch share: how their metrics are named, and what is to be filled in.

The files are JSON with placeholders as in ``string.Template`` of Python and ``templatefile`` of
Terraform: ``${service}``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from headgate.telemetry.emf_selection import (
    HEARTBEAT,
    SELECTION,
    SERVICE,
    TRAFFIC,
    UPSTREAM,
)
from headgate.telemetry.metrics import labels

PLACEHOLDERS: Final[Mapping[str, str]] = {
    "service": "`telemetry.cloudwatch.service` of the gate",
    "namespace": "`telemetry.cloudwatch.namespace`, by default `Headgate`",
    "region": "the region of the metrics, such as `eu-central-1`",
    "log_group": "the group that the gate's standard output goes to",
    "page_topic": "ARN of the SNS topic for what somebody has to look at now",
    "ticket_topic": "ARN of the SNS topic for what can wait for a working day",
    "docs": "URL below which the runbook is, such as "
    "`https://github.com/OWNER/headgate/blob/main`: the alarms link it",
    "upstream": "in alarms for each upstream: its name",
}
"""What must be put in place of each placeholder, for the documentation."""

TRAFFICS: Final = labels.TRAFFIC.values
_DIMENSION: Final[Mapping[str, str]] = {each.name: each.dimension for each in SELECTION} | {
    HEARTBEAT: ""
}


def dimensions(metric: str, value: str = "${upstream}") -> dict[str, str]:
    """The dimensions of a metric of the gate; ``value``: of the one beside the service.

    Raises:
        KeyError: the gate has no metric of that name.
    """
    name = _DIMENSION[metric]
    return {SERVICE: "${service}"} | ({name: value} if name else {})


def is_per_upstream(metric: str) -> bool:
    """Whether each upstream has a metric of that name."""
    return _DIMENSION[metric] == UPSTREAM


def is_per_traffic(metric: str) -> bool:
    """Whether each kind of traffic has a metric of that name."""
    return _DIMENSION[metric] == TRAFFIC


def dumped(value: Mapping[str, Any] | Sequence[Any]) -> str:
    """The text of a file."""
    return json.dumps(value, indent=2) + "\n"
