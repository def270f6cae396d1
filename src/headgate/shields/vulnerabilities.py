"""MLflow's published vulnerabilities, and what becomes of each for a server behind a gate."""

from __future__ import annotations

import enum
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from headgate.config.shields import ShieldRule
from headgate.contract.snapshots import numbers


class Standing(enum.StrEnum):
    """What an operator has to know about one vulnerability."""

    NOT_AFFECTED = "not affected"
    SHIELDED = "shielded"
    PARTLY_SHIELDED = "partly shielded"
    NEEDS_UPGRADE = "needs an upgrade"
    OUT_OF_REACH = "out of reach"


class Guard(enum.StrEnum):
    """What of the gate, other than a shield, stands in the way."""

    KEYS = "keys"
    ROLES = "roles"
    HOSTS = "hosts"


@dataclass(frozen=True, slots=True)
class Vulnerability:
    """One published vulnerability.

    ``fixed`` and ``since``: as in ``vulnerabilities.toml``, which says it.  ``by``: what of the
    gate blocks it, if anything does; ``partly``: not every way.
    """

    id: str
    what: str
    fixed: tuple[str, ...] = ()
    by: ShieldRule | Guard | None = None
    partly: bool = False
    note: str = ""
    since: str = ""

    def affects(self, version: str) -> bool | None:
        """Whether a server of that version has it; ``None`` if that is not known for certain."""
        found = numbers(version)
        if found and found < numbers(self.since):
            return False
        if not self.fixed or not found:
            return None
        *backported, last = map(numbers, self.fixed)
        if found >= last:
            return False
        return not any(found[:2] == each[:2] and found >= each for each in backported)

    def standing(self, version: str) -> Standing:
        """What becomes of it for a server of that version behind this gate."""
        affected = self.affects(version)
        if affected is False:
            return Standing.NOT_AFFECTED
        if self.by is None:
            return Standing.OUT_OF_REACH
        if not self.partly:
            return Standing.SHIELDED
        return Standing.NEEDS_UPGRADE if affected else Standing.PARTLY_SHIELDED


def read_vulnerabilities() -> Sequence[Vulnerability]:
    """Every entry of ``vulnerabilities.toml``, in its order.

    Raises:
        ValueError: for an entry that is none.
    """
    return [_entry(each) for each in _document()["vulnerability"]]


def known_up_to() -> str:
    """The month, as ``2026-11``, up to which the list has what was published."""
    return str(_document()["known_up_to"])


def _document() -> Mapping[str, Any]:
    file = resources.files("headgate.shields").joinpath("vulnerabilities.toml")
    return tomllib.loads(file.read_text("utf-8"))


def _entry(entry: Mapping[str, Any]) -> Vulnerability:
    kind, _, name = entry["by"].partition(":")
    guard: ShieldRule | Guard | None = None
    if kind in ("shield", "partly"):
        guard = ShieldRule(name)
    elif kind == "gate":
        guard = Guard(name)
    elif entry["by"] != "nothing":
        raise ValueError(f"{entry['id']}: {entry['by']!r} is nothing that blocks")
    return Vulnerability(
        entry["id"],
        entry["what"],
        tuple(entry.get("fixed", ())),
        guard,
        kind == "partly",
        entry.get("note", ""),
        entry.get("since", ""),
    )
