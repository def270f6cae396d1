"""Settings of what the gate reports to other systems."""

from __future__ import annotations

from pydantic import Field

from headgate.config.cloudwatch import CloudWatch
from headgate.config.otlp import Otlp, Traces
from headgate.config.restart import RELOADED
from headgate.config.section import Section


class Telemetry(Section):
    """What the gate reports to other systems."""

    otlp: Otlp = Field(Otlp(), json_schema_extra=RELOADED)
    traces: Traces = Field(Traces(), json_schema_extra=RELOADED)
    cloudwatch: CloudWatch = CloudWatch()
