"""The floors of coverage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tools import coverage_floor


def measured(
    lines: tuple[int, int],
    branches: tuple[int, int] = (0, 0),
    missing: tuple[list[int], list[list[int]]] = ([], []),
) -> dict[str, Any]:
    return {
        "summary": {
            "covered_lines": lines[0],
            "num_statements": lines[1],
            "covered_branches": branches[0],
            "num_branches": branches[1],
        },
        "missing_lines": missing[0],
        "missing_branches": missing[1],
    }


REPORT = {
    "files": {
        "src/headgate/wire/head.py": measured((9, 10), (3, 4), ([7], [[3, 5]])),
        "src/headgate/wire/body.py": measured((10, 10)),
        "src/headgate/errors.py": measured((5, 5), (2, 2)),
        "src/headgate/cli/up.py": measured((1, 3), missing=([8, 9], [])),
    }
}


def test_lines_and_branches_are_counted_by_package() -> None:
    found = coverage_floor.packages(REPORT)
    assert {name: package.percent for name, package in found.items()} == {
        "headgate.cli": 33.3,
        "headgate.errors": 100.0,
        "headgate.wire": 91.6,
    }


def test_every_branch_of_a_pure_package_is_wanted() -> None:
    found = coverage_floor.packages(REPORT)
    pure = frozenset({"headgate.wire", "headgate.errors"})
    (problem,) = coverage_floor.problems(found, pure, {})
    assert problem.endswith("\n  src/headgate/wire/head.py: 7, 3->5")


@pytest.mark.parametrize(("floor", "good"), [(33.3, True), (33.4, True), (33.5, False)])
def test_elsewhere_coverage_never_falls(floor: float, good: bool) -> None:
    found = coverage_floor.packages(REPORT)
    pure = frozenset({"headgate.errors"})
    problems = list(coverage_floor.problems(found, pure, {"headgate.cli": floor}))
    assert problems == ([] if good else ["headgate.cli: 33.3 %, and it was 33.5 %"])


def test_floors_are_raised_and_never_lowered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    floors, report = tmp_path / "floors.json", tmp_path / "report.json"
    floors.write_text('{"headgate.cli": 50.0, "headgate.wire": 20.0}', encoding="utf-8")
    report.write_text(json.dumps(REPORT), encoding="utf-8")
    monkeypatch.setattr(coverage_floor, "FLOORS", floors)
    monkeypatch.setattr(coverage_floor, "pure_packages", lambda: frozenset({"headgate.errors"}))
    assert coverage_floor.main(["raise", str(report)]) == 1
    assert json.loads(floors.read_text(encoding="utf-8")) == {
        "headgate.cli": 50.0,
        "headgate.wire": 91.6,
    }
    assert coverage_floor.main(["check", str(report)]) == 1
    assert "headgate.cli: 33.3 %, and it was 50.0 %" in capsys.readouterr().err


def test_the_pure_packages_are_those_of_the_import_contract() -> None:
    assert {"headgate.wire", "headgate.policy"} <= coverage_floor.pure_packages()


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert coverage_floor.main([]) == 2
    assert "check|raise" in capsys.readouterr().err
