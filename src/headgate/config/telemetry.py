"""Settings of what the gate reports to other systems."""

from __future__ import annotations

from headgate.config.cloudwatch import CloudWatch
from headgate.config.section import Section


class Telemetry(Section):
    """What the gate reports to other systems."""

    cloudwatch: CloudWatch = CloudWatch()
