"""One run of the benchmarks, as it is kept in JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from bench.series import Series
from bench.targets import Verdict, judge


@dataclass(frozen=True)
class Document:
    """A run: when and where it was, what was compared, and every value that was measured.

    ``taken``: the day, as ISO 8601 writes it.  ``programs``: versions by name.  ``benchmarks``:
    those that were to be done; ``skipped``: what was left out of them, and why.  ``load``:
    processes of others that wanted a core when it began.
    ``results``: the benchmarks that are no comparison, by name; for each its title and whether
    each target was met.
    """

    taken: str
    quick: bool
    rounds: int
    cores: int
    processor: str
    system: str
    load: float
    programs: Mapping[str, str]
    benchmarks: Sequence[str]
    skipped: Sequence[str]
    results: Mapping[str, Mapping[str, Any]]
    series: Sequence[Series]

    @property
    def by_name(self) -> Mapping[str, Series]:
        """The series by their names."""
        return {series.name: series for series in self.series}

    def verdicts(self) -> list[Verdict]:
        """What the run says about each target."""
        return judge(self.by_name, self.cores, self.benchmarks)

    def joined(self, newer: Document) -> Document:
        """The run with what ``newer`` has measured in the place of the same benchmarks.

        Of what holds for a whole run it has the newer versions and day, the fewer rounds,
        and the heavier load.
        """
        again = {*newer.benchmarks, *(series.benchmark for series in newer.series)}
        skipped = [line for line in self.skipped if line.partition(":")[0] not in again]
        return replace(
            newer,
            rounds=min(self.rounds, newer.rounds),
            load=max(self.load, newer.load),
            benchmarks=list(dict.fromkeys([*self.benchmarks, *newer.benchmarks])),
            skipped=list(dict.fromkeys([*skipped, *newer.skipped])),
            results={**self.results, **newer.results},
            series=[
                *(series for series in self.series if series.benchmark not in again),
                *newer.series,
            ],
        )

    def to_json(self) -> str:
        """The run as indented JSON, one line for each series."""
        document = {
            "taken": self.taken,
            "quick": self.quick,
            "rounds": self.rounds,
            "cores": self.cores,
            "processor": self.processor,
            "system": self.system,
            "load": self.load,
            "programs": dict(self.programs),
            "benchmarks": list(self.benchmarks),
            "skipped": list(self.skipped),
            "results": {name: dict(result) for name, result in self.results.items()},
        }
        head = json.dumps(document, indent=1, ensure_ascii=False).removesuffix("\n}")
        series = ",\n".join(
            "  " + json.dumps(series.as_json(), ensure_ascii=False) for series in self.series
        )
        return f'{head},\n "series": [\n{series}\n ]\n}}\n'

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of ``to_json``.

        Raises:
            ValueError: the text is not such a document.
        """
        document: dict[str, Any] = json.loads(text)
        try:
            series = [Series.from_json(item) for item in document.pop("series")]
            return cls(**document, series=series)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a run of the benchmarks: {error}") from error
