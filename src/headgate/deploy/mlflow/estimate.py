"""How long an upgrade takes, from rates that were measured.

The rates are those of this MLflow's own upgrades, where there are any; else those of ``MEASURED``,
which ``python -m tools.mlflow_rates`` has measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from headgate.deploy.mlflow.journal import Measured
from headgate.deploy.mlflow.records import Kind
from headgate.deploy.mlflow.words import seconds_in_words, size_in_words

MARGIN: Final = 1.5
"""What an upgrade here took is estimated so much longer the next time."""
OTHER_STEPS: Final = 15.0
"""Seconds to park and drain, stop MLflow and verify it."""
LEAST_MEASURED: Final = 8 * 1024 * 1024
"""A smaller database says nothing of a rate."""
FIXED: Final = 25.0
"""Seconds of a migration whatever the size: MLflow's imports, on two busy processors."""


@dataclass(frozen=True, slots=True)
class Rates:
    """What one upgrade took, in seconds, with ``database`` in bytes.

    ``fixed`` is the part of ``migrate`` that does not depend on the size.
    """

    database: int
    snapshot: float
    migrate: float
    start: float
    basis: str
    fixed: float = FIXED
    margin: float = 1.0


_BASIS: Final = "MLflow 3.14.0 to 3.17.2 with runs and traces, on two busy processors"
MEASURED: Final[Mapping[Kind, Rates]] = {
    Kind.SQLITE: Rates(281_427_968, 13.8, 50.9, 43.0, f"268 MiB of SQLite: {_BASIS}"),
    Kind.POSTGRESQL: Rates(303_939_584, 16.9, 301.3, 43.0, f"290 MiB of PostgreSQL: {_BASIS}"),
}
"""Without a margin: eight other programs shared the processors."""


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
    grown = size / rates.database
    fixed = min(rates.fixed, rates.migrate)
    saved = 0.0 if external else (1.0 + rates.snapshot * grown) * rates.margin
    migrated = 0.0 if same_schema else (fixed + (rates.migrate - fixed) * grown) * rates.margin
    start = rates.start * rates.margin
    return Estimate(saved, migrated, start, 4 * saved + start, rates.database, rates.basis)


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
        margin=MARGIN,
    )
