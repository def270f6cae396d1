"""An outcome to begin with, for what counts and logs them."""

from __future__ import annotations

from typing import Any

from headgate.model import Outcome, Phase
from headgate.reasons import Reason

_USUAL: dict[str, Any] = {
    "reason": Reason.OK,
    "phase": Phase.RESPOND,
    "status": 200,
    "method": b"GET",
    "target": b"/version",
    "family": "meta",
    "principal": "ci",
    "principal_id": "k_00000001",
    "request_id": b"0123456789abcdef00000001",
    "client": "192.0.2.1",
    "endpoint": "127.0.0.1:5000",
    "duration": 0.0125,
    "upstream_duration": 0.01,
    "bytes_in": 0,
    "bytes_out": 6,
    "attempts": 1,
    "user_agent": b"mlflow-python-client/3.17.2",
    "detail": "",
}


def an_outcome(**different: Any) -> Outcome:
    """A request that MLflow has answered, but for what is ``different``."""
    return Outcome(**_USUAL | different)


def told_by(outcome: Outcome) -> dict[str, Any]:
    """All that an outcome says, for comparison."""
    return {name: getattr(outcome, name) for name in _USUAL}


OUTCOME = an_outcome()
"""A request that MLflow has answered."""
