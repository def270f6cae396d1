"""What a symptom is: the row that each member of the enums of this package has."""

from __future__ import annotations

import enum
from typing import Self

from headgate.reasons import Reason


class Symptom(enum.Enum):
    """Something that stands between the gate and MLflow.

    Attributes:
        value: the symptom's name for programs, such as logs.
        reason: of the requests that fail by it.
        cause: a clause for clients: what most probably lies behind it, and where to look.
        cure: sentences for operators; ``upstreams.NAME`` in it stands for the upstream's own name,
            see ``for_upstream``.
    """

    _value_: str
    reason: Reason
    cause: str
    cure: str

    def __new__(cls, value: str, reason: Reason, cause: str, cure: str) -> Self:
        """Make a member of its row."""
        self = object.__new__(cls)
        self._value_ = value
        self.reason = reason
        self.cause = cause
        self.cure = cure
        return self


def for_upstream(cure: str, upstream: str) -> str:
    """A cure in the words of the configuration of one upstream, by its name."""
    return cure.replace("upstreams.NAME", f"upstreams.{upstream}")
