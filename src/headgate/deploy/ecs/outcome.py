"""A failure of commands on ECS that changes how they end."""

from __future__ import annotations

from headgate.errors import HeadgateError


class SupersededError(HeadgateError):
    """Another operator has taken the service over; nothing may be changed any more."""

    def __init__(self, operator: str, what: str) -> None:
        super().__init__(f"{what} by {operator}")
        self.operator = operator
