"""Holds the coverage of the unit tests: every branch of pure packages, elsewhere never less.

    python -m tools.coverage_floor check|raise [REPORT]

REPORT is what ``coverage json`` writes, by default ``build/coverage.json``.  The pure packages are
those of the import contract; the floors of the others lie in ``tests/coverage.json``, in percent of
lines and branches.  ``raise`` writes the floors anew where coverage has grown.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "build" / "coverage.json"
FLOORS = ROOT / "tests" / "coverage.json"
_PURE = "Pure packages do no I/O and read no clock"
_STEP = 0.1
"""Percent that a measurement may be under the floor: some branches depend on timing."""


@dataclass
class Package:
    """What of a package was run."""

    covered: int = 0
    all: int = 0
    missing: list[str] = field(default_factory=list)

    @property
    def percent(self) -> float:
        """Lines and branches that were run, rounded down to a tenth."""
        return self.covered * 1000 // self.all / 10 if self.all else 100.0


def pure_packages(project: Path = ROOT / "pyproject.toml") -> frozenset[str]:
    """The packages and modules of the import contract, such as ``headgate.wire``."""
    with project.open("rb") as opened:
        contracts = tomllib.load(opened)["tool"]["importlinter"]["contracts"]
    (pure,) = (each for each in contracts if each["name"] == _PURE)
    return frozenset(pure["source_modules"])


def packages(report: Mapping[str, Any]) -> dict[str, Package]:
    """The packages directly below ``headgate``; a module there counts as one."""
    found: defaultdict[str, Package] = defaultdict(Package)
    for name, file in sorted(report["files"].items()):
        parts = Path(name).with_suffix("").parts
        package = found[".".join(parts[parts.index("headgate") :][:2])]
        summary = file["summary"]
        package.covered += summary["covered_lines"] + summary["covered_branches"]
        package.all += summary["num_statements"] + summary["num_branches"]
        lines = [str(line) for line in file["missing_lines"]]
        branches = [f"{start}->{end}" for start, end in file["missing_branches"]]
        if lines or branches:
            package.missing.append(f"{name}: {', '.join([*lines, *branches])}")
    return dict(found)


def problems(
    found: Mapping[str, Package], pure: frozenset[str], floors: Mapping[str, float]
) -> Iterator[str]:
    """One paragraph for each package that is not covered as it has to be."""
    for name, package in found.items():
        if name in pure and package.missing:
            missing = "".join(f"\n  {each}" for each in package.missing)
            yield f"{name} is pure, so every line and branch has to be tested:{missing}"
        elif name not in pure and package.percent < floors.get(name, 0.0) - _STEP:
            yield f"{name}: {package.percent} %, and it was {floors[name]} %"


def main(arguments: Sequence[str]) -> int:
    """Check or raise; the exit code."""
    if not arguments or arguments[0] not in ("check", "raise") or len(arguments) > 2:
        sys.stderr.write("usage: python -m tools.coverage_floor check|raise [REPORT]\n")
        return 2
    report = Path(arguments[1]) if len(arguments) == 2 else REPORT
    found = packages(json.loads(report.read_text(encoding="utf-8")))
    pure = pure_packages()
    floors: dict[str, float] = (
        json.loads(FLOORS.read_text(encoding="utf-8")) if FLOORS.exists() else {}
    )
    for name, package in sorted(found.items()):
        floor = "100 (pure)" if name in pure else floors.get(name, "none yet")
        sys.stdout.write(f"{name:28}{package.percent:>7} %   floor {floor}\n")
    if arguments[0] == "raise":
        raised = {
            name: max(package.percent, floors.get(name, 0.0))
            for name, package in sorted(found.items())
            if name not in pure
        }
        FLOORS.write_text(json.dumps(raised, indent=1) + "\n", encoding="utf-8")
    wrong = list(problems(found, pure, floors))
    sys.stderr.writelines(f"{each}\n" for each in wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
