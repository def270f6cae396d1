"""What tests cost: the slowest files and tests of a run, and what has changed since another.

    python -m tools.durations [RUN] [--before OTHER] [--most N]

reads the JUnit file that ``make test`` leaves in ``build/``.  CPU time, of the tests and of every
server that they start, is the measure that a busy machine does not falsify.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

ROOT: Final = Path(__file__).parents[1]
RUN: Final = ROOT / "build" / "tests.xml"


@dataclass
class Cost:
    """Seconds of CPU and on the clock, of one test or of several."""

    cpu: float = 0.0
    clock: float = 0.0
    tests: int = 0

    def add(self, other: Cost) -> None:
        """Count another one in."""
        self.cpu += other.cpu
        self.clock += other.clock
        self.tests += other.tests


def costs(run: Path) -> dict[str, Cost]:
    """The cost of each test of a run, by its name, ``FILE::TEST``.

    Raises:
        OSError: the file cannot be read.
        xml.etree.ElementTree.ParseError: it is no XML.
    """
    found: dict[str, Cost] = defaultdict(Cost)
    for case in ET.parse(run).iter("testcase"):  # noqa: S314 - pytest has written it
        name = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"
        cpu = sum(
            float(each.get("value", "0"))
            for each in case.iter("property")
            if each.get("name") == "cpu"
        )
        found[name].add(Cost(cpu, float(case.get("time", "0")), 1))
    return found


def by_file(tests: Mapping[str, Cost]) -> dict[str, Cost]:
    """The same by file."""
    found: dict[str, Cost] = defaultdict(Cost)
    for name, cost in tests.items():
        found[name.partition("::")[0]].add(cost)
    return found


def table(costs: Mapping[str, Cost], most: int) -> Iterator[str]:
    """The lines that show the most expensive ones, and the sum of all."""
    total = Cost()
    for cost in costs.values():
        total.add(cost)
    dearest = sorted(costs.items(), key=lambda item: -item[1].cpu)[:most]
    yield "   CPU s  clock s  tests"
    for name, cost in (*dearest, ("in all", total)):
        yield f"{cost.cpu:8.1f} {cost.clock:8.1f} {cost.tests:6}  {name}"


def changes(now: Mapping[str, Cost], before: Mapping[str, Cost], most: int) -> Iterator[str]:
    """The lines that show where CPU time has changed most."""
    names = {*now, *before}
    none = Cost()
    pairs = {name: (before.get(name, none).cpu, now.get(name, none).cpu) for name in names}
    changed = sorted(pairs.items(), key=lambda item: -abs(item[1][1] - item[1][0]))[:most]
    total = (sum(cost.cpu for cost in before.values()), sum(cost.cpu for cost in now.values()))
    yield "  before      now   change  (CPU s)"
    for name, (old, new) in (*changed, ("in all", total)):
        yield f"{old:8.1f} {new:8.1f} {new - old:+8.1f}  {name}"


def main() -> None:
    """Print what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tools.durations", description=__doc__)
    parser.add_argument("run", type=Path, nargs="?", default=RUN, help="a JUnit file")
    parser.add_argument("--before", type=Path, help="that of another run, to compare with")
    parser.add_argument("--most", type=int, default=25, help="how many lines each")
    options = parser.parse_args()
    tests = costs(options.run)
    lines = [*table(by_file(tests), options.most), "", *table(tests, options.most)]
    if options.before is not None:
        before = by_file(costs(options.before))
        lines += ["", *changes(by_file(tests), before, options.most)]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
