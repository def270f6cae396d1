"""What a benchmark found, for people and for machines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Result:
    """A table, the same figures as data, and whether each target was met."""

    name: str
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    figures: Mapping[str, Any]
    targets: Mapping[str, bool]

    @property
    def is_met(self) -> bool:
        """Whether all targets were met."""
        return all(self.targets.values())

    def show(self, console: Console) -> None:
        """Print the table, a line for each target, and one line of JSON."""
        table = Table(*self.header, title=self.title)
        for row in self.rows:
            table.add_row(*row)
        console.print(table)
        for target, met in self.targets.items():
            console.print(f"{'met' if met else 'MISSED'}: {target}", highlight=False)
        document = {"benchmark": self.name, **self.figures, "targets": self.targets}
        console.print(json.dumps(document), soft_wrap=True, highlight=False, markup=False)
