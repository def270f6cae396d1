"""How long an upgrade takes, from rates that were measured.

The rates are those of this MLflow's own upgrades, where there are any; else those of ``MEASURED``,
which ``tests/integration/test_mlflow_rates.py`` measures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from headgate.deploy.mlflow.journal import Measured
from headgate.deploy.mlflow.records import Kind
from headgate.deploy.mlflow.words import seconds_in_words, size_in_words

MIB: Final = 1024 * 1024
MARGIN: Final = 1.5
"""What is estimated is this much more than what was measured: other disks, other tables."""
OTHER_STEPS: Final = 15.0
"""Seconds to park and drain, stop MLflow and verify it."""
LEAST_MEASURED: Final = 8 * MIB
"""A smaller database says nothing of a rate."""


@dataclass(frozen=True, slots=True)
class Rates:
    """What one upgrade took, in seconds, and ``database`` in bytes."""

    database: int
    snapshot: float
    migrate: float
    start: float
    basis: str


MEASURED: Final[Mapping[Kind, Rates]] = {
    Kind.SQLITE: Rates(0, 0.0, 0.0, 0.0, ""),
    Kind.POSTGRESQL: Rates(0, 0.0, 0.0, 0.0, ""),
}


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds of each part.

    Attributes:
        other: of the steps that do not depend on the size.
        restore: of the way back, which is not in ``total``.
        proven: the largest database that was measured, in bytes.
        basis: what it is estimated from, in words.
    """

    snapshot: float
    migrate: float
    start: float
    restore: float
    proven: int
    basis: str
    other: float = OTHER_STEPS

    @property
    def total(self) -> float:
        """From the park to the end."""
        return self.snapshot + self.migrate + self.start + self.other

    def in_words(self) -> str:
        """The parts and what they are estimated from."""
        return (
            f"{seconds_in_words(self.total)} (snapshot {seconds_in_words(self.snapshot)}, "
            f"migration {seconds_in_words(self.migrate)}, start {seconds_in_words(self.start)}, "
            f"all other steps {seconds_in_words(self.other)}); the way back takes about "
            f"{seconds_in_words(self.restore)} more; basis: {self.basis}"
        )


def estimate(
    kind: Kind, size: int, measured: Sequence[Measured], *, same_schema: bool, external: bool
) -> Estimate:
    """How long an upgrade of a database takes.

    Args:
        kind: of the database.
        size: of the database in bytes.
        measured: what earlier upgrades took, the latest last.
        same_schema: whether there is nothing to migrate.
        external: whether the operator makes the snapshot.
    """
    rates = _rates(kind, measured)
    scale = MARGIN * max(1.0, size / max(1, rates.database))
    if size < rates.database:
        # A fixed part, which a small database has as well, and one that grows with its size.
        scale = MARGIN * (0.2 + 0.8 * size / rates.database)
    snapshot = 0.0 if external else rates.snapshot * scale
    migrate = 0.0 if same_schema else rates.migrate * scale
    start = rates.start * MARGIN
    return Estimate(snapshot, migrate, start, 2 * snapshot + start, rates.database, rates.basis)


def _rates(kind: Kind, measured: Sequence[Measured]) -> Rates:
    own = [each for each in measured if each.database >= LEAST_MEASURED and each.migrate]
    if not own:
        return MEASURED[kind]
    last = max(own[-3:], key=lambda each: each.database)
    return Rates(
        last.database,
        last.snapshot,
        last.migrate,
        last.start,
        f"an upgrade here of {size_in_words(last.database)}",
    )
