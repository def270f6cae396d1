"""Finds claims, and holds them to conditions."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from headgate.config import Rule
from headgate.config.claims import steps
from headgate.config.shared_issuers import Value, is_exact, plain_claims
from headgate.policy.pattern import fits

ABSENT: Final = object()
"""The value of a claim that is not there."""


def claim(claims: Mapping[str, Any], path: Sequence[str]) -> Any:
    """The value at ``path``, or ``ABSENT``; lists on the path lead nowhere."""
    found: Any = claims
    for step in path:
        if not isinstance(found, dict) or step not in found:
            return ABSENT
        found = found[step]
    return found


@dataclass(frozen=True, slots=True)
class Condition:
    """What one claim must be.

    Attributes:
        name: the claim, as the configuration writes it.
        path: where it stands.
        values: one of them has to fit.
        plain: whether it must be a single value; of a list, otherwise, one element has to fit.
    """

    name: str
    path: tuple[str, ...]
    values: tuple[Value, ...]
    plain: bool

    def holds(self, claims: Mapping[str, Any]) -> bool:
        """Whether the claims fulfil it."""
        found = claim(claims, self.path)
        if isinstance(found, list):
            return not self.plain and any(self._fits(each) for each in found)
        return self._fits(found)

    def _fits(self, found: Any) -> bool:
        return any(_equal(found, value) for value in self.values)


@dataclass(frozen=True, slots=True)
class ClaimRule:
    """A rule of the configuration, made ready.

    Attributes:
        conditions: all have to hold.
        roles: what a token gets that fits.
    """

    conditions: tuple[Condition, ...]
    roles: tuple[str, ...]

    @classmethod
    def of(cls, rule: Rule, issuer: str) -> ClaimRule:
        """The rule of an issuer, named by its ``iss``."""
        plain = plain_claims(issuer)
        return cls(
            tuple(
                Condition(name, steps(name), values, name in plain)
                for name, values in rule.when.items()
            ),
            rule.roles,
        )

    def misfits(self, claims: Mapping[str, Any]) -> list[Condition]:
        """The conditions that do not hold."""
        return [each for each in self.conditions if not each.holds(claims)]


def _equal(found: Any, value: Value) -> bool:
    """Whether one value of a token is the one wanted.

    Numbers and their text are equal, since issuers write ids as either; ``true`` is only itself.
    """
    if isinstance(value, bool) or isinstance(found, bool):
        return found is value
    if isinstance(found, int):
        found = str(found)
    if not isinstance(found, str):
        return False
    if is_exact(value):
        return found == str(value)
    # ``fits`` composes what it compares, and a KELVIN SIGN becomes a K.  That is right for names
    # of MLflow's things, and would let look-alikes of a claim in here.
    return unicodedata.is_normalized("NFC", found) and fits(found, str(value))
