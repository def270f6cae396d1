"""An outcome to begin with, for what counts and logs them."""

from __future__ import annotations

from typing import Any

from headgate.model import (
    AuthMethod,
    BodyHandling,
    Operation,
    Outcome,
    Phase,
    Principal,
    Retry,
    Source,
)
from headgate.reasons import Reason


def an_operation(family: str = "meta", name: str = "version", path: str = "/version") -> Operation:
    """An operation of a family; empty: none."""
    return Operation(family, Retry.SAFE, BodyHandling.LENGTH, name=name, path=path)


def a_principal(name: str = "ci", principal_id: str = "p_00000001") -> Principal:
    """The owner of a key."""
    return Principal(principal_id, name, AuthMethod.KEY, credential="k_00000001")


_USUAL: dict[str, Any] = {
    "reason": Reason.OK,
    "phase": Phase.RESPOND,
    "status": 200,
    "method": b"GET",
    "target": b"/version",
    "source": Source.MLFLOW,
    "canonical": b"/version",
    "path": b"/version",
    "operation": an_operation(),
    "upstream": "default",
    "principal": a_principal(),
    "trace": None,
    "request_id": b"0123456789abcdef00000001",
    "client": "192.0.2.1",
    "endpoint": "127.0.0.1:5000",
    "duration": 0.0125,
    "queue_duration": 0.0,
    "hold_duration": 0.0,
    "connect_duration": 0.0,
    "sent_after": 0.0005,
    "first_byte_after": 0.012,
    "gate_duration": 0.0005,
    "upstream_duration": 0.01,
    "bytes_in": 0,
    "bytes_out": 6,
    "attempts": 1,
    "retries": (),
    "message": "",
    "user_agent": b"mlflow-python-client/3.17.2",
    "detail": "",
}


def an_outcome(**different: Any) -> Outcome:
    """A request that MLflow has answered, but for what is ``different``.

    ``family`` stands for an operation of it, and a text as ``principal`` for one of that name.
    """
    if "family" in different:
        family = different.pop("family")
        different["operation"] = an_operation(family) if family else None
    if isinstance(different.get("principal"), str):
        different["principal"] = a_principal(different["principal"])
    return Outcome(**_USUAL | different)


def told_by(outcome: Outcome) -> dict[str, Any]:
    """All that an outcome says, for comparison."""
    return {name: getattr(outcome, name) for name in _USUAL}


OUTCOME = an_outcome()
"""A request that MLflow has answered."""
