"""What OpenTelemetry's conventions call an error: the attribute ``error.type``.

https://opentelemetry.io/docs/specs/semconv/http/http-spans/#status: for a server only a status
from 500 is one, for a client one from 400.
"""

from __future__ import annotations

from typing import Final

from headgate.model import Outcome, Source
from headgate.reasons import Fault, Reason

_OK: Final = Reason.OK  # to look a member up in its class costs as much as ten attributes
_MLFLOW: Final = Source.MLFLOW
_FAULTS: Final = (Fault.GATE, Fault.UPSTREAM)


def is_error(outcome: Outcome) -> bool:
    """Whether the gate or MLflow failed, whatever the client was sent."""
    if outcome.status >= 500:
        return True
    reason = outcome.reason
    return reason is not _OK and reason.fault in _FAULTS


def error_type(outcome: Outcome) -> str:
    """``error.type`` of a request; empty where it is no error.

    The reason code where the gate knows a reason, the status where MLflow has failed by itself.
    """
    if outcome.reason is _OK:
        return str(outcome.status) if outcome.status >= 500 else ""
    return outcome.reason.value if outcome.status == 0 or is_error(outcome) else ""


def client_error_type(outcome: Outcome) -> str:
    """The same of the last attempt of a request."""
    if outcome.reason is not _OK:
        return outcome.reason.value
    is_failure = outcome.source is _MLFLOW and outcome.status >= 400
    return str(outcome.status) if is_failure else ""
