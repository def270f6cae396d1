"""On whose behalf something is done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from headgate.model import Grant, Principal


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks for a change.

    Attributes:
        id: a principal's id, or what else asks, such as ``cli``; it is kept as ``created_by``.
        name: what people call it.
        grants: what it may do, with all that narrows it taken into account.
        is_operator: it can write the store itself, so no rule about grants could hold it.
    """

    id: str
    name: str
    grants: tuple[Grant, ...] = field(default=(), repr=False)
    is_operator: bool = False

    @classmethod
    def operator(cls, name: str) -> Self:
        """The operator, who has the store itself, such as at a shell on its machine."""
        return cls(name, name, is_operator=True)

    @classmethod
    def of(cls, principal: Principal) -> Self:
        """The sender of a request."""
        by_family = principal.grants.by_family.values()
        grants = dict.fromkeys(each.grant for given in by_family for each in given)
        return cls(principal.id, principal.name, tuple(grants))
