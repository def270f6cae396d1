"""The page of log fields, from ``headgate.telemetry.log_fields``."""

from __future__ import annotations

from collections.abc import Iterable

from docs.reference_pages.markdown import GENERATED, table
from headgate.telemetry.log_fields import ACCESS_FIELDS, EVENT_FIELDS, LogField

_INTRODUCTION = """# Log fields

Both logs are JSON, one object a line: the access log, one line for each request, on standard
output; the event log on standard error. What looks like a Headgate key is masked in every field,
and control characters are escaped, so that no client can forge a line.

Programs may rely on the fields and their types; new ones may be added. Where metrics are written
[for CloudWatch](cloudwatch.md), they are lines with `"event":"metrics"` among those of the access
log.

## The access log

"""
_EVENTS = """
## The event log

Every line has these, and the fields of its [event](events.md).

"""


def page() -> str:
    """The whole page."""
    return GENERATED + _INTRODUCTION + _table(ACCESS_FIELDS) + _EVENTS + _table(EVENT_FIELDS)


def _table(fields: Iterable[LogField]) -> str:
    rows = ((f"`{each.name}`", each.type, each.text, each.when or "always") for each in fields)
    return table(("Field", "Type", "What it says", "When"), rows)
