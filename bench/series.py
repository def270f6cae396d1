"""Figures of several subjects, measured in the same rounds, and what may be said of them.

Rounds alternate between the subjects, so that whatever else the machine does meets all of them;
a ratio is taken within each round, and its median is the figure.
"""

from __future__ import annotations

import enum
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self


class Better(enum.StrEnum):
    """Which figures are the good ones."""

    LOWER = "lower"
    HIGHER = "higher"


@dataclass(frozen=True)
class Estimate:
    """The median of the rounds, with the lowest and the highest of them."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Sum up the values of some rounds.

        Raises:
            ValueError: there are none.
        """
        if not values:
            raise ValueError("no round was measured")
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Series:
    """One quantity: a value of each subject for each round.

    ``name`` is ``benchmark.case``.  All subjects have the same number of values, and values at
    the same place are of the same round.

    Raises:
        ValueError: they have not.
    """

    name: str
    title: str
    unit: str
    better: Better
    samples: Mapping[str, Sequence[float]]

    def __post_init__(self) -> None:
        if len({len(values) for values in self.samples.values()}) > 1:
            raise ValueError(f"{self.name}: the subjects were not measured in the same rounds")

    @property
    def benchmark(self) -> str:
        """The benchmark it belongs to."""
        return self.name.partition(".")[0]

    def estimate(self, subject: str) -> Estimate:
        """The value of ``subject``."""
        return Estimate.of(self.samples[subject])

    def ratio(self, subject: str, other: str) -> Estimate:
        """How many times the value of ``other`` that of ``subject`` is."""
        pairs = zip(self.samples[subject], self.samples[other], strict=True)
        return Estimate.of([mine / theirs for mine, theirs in pairs])

    def as_json(self) -> dict[str, Any]:
        """The series as JSON has it; values keep six digits."""
        return {
            "name": self.name,
            "title": self.title,
            "unit": self.unit,
            "better": str(self.better),
            "samples": {
                subject: [float(f"{value:.6g}") for value in values]
                for subject, values in self.samples.items()
            },
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """The inverse of ``as_json``."""
        return cls(
            document["name"],
            document["title"],
            document["unit"],
            Better(document["better"]),
            document["samples"],
        )


def alternating(subjects: Sequence[str], rounds: int) -> list[list[str]]:
    """The order of the subjects in each round: every round begins with another one."""
    order = list(subjects)
    return [order[turn % len(order) :] + order[: turn % len(order)] for turn in range(rounds)]
