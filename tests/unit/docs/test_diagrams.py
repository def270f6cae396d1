"""The diagrams show what the code is."""

from __future__ import annotations

import re

from docs.reference_pages import diagrams
from headgate.model import Phase


def reach(package: str, imports: dict[str, set[str]]) -> set[str]:
    return imports[package].union(*(reach(each, imports) for each in imports[package]))


def test_every_package_is_in_a_row() -> None:
    shown = {each for row in diagrams.layers() for each in row}
    packages = {
        file.stem
        for file in diagrams.SOURCE.iterdir()
        if file.suffix == ".py" or (file / "__init__.py").exists()
    }
    assert packages - shown == {"__init__", "__main__", "testing"}
    assert shown <= packages


def test_arrows_that_are_left_out_follow_from_those_that_are_drawn() -> None:
    imports = diagrams.package_imports()
    drawn = diagrams.reduced(imports)
    for package in imports:
        assert drawn[package] <= imports[package]
        assert reach(package, drawn) == reach(package, imports)
    assert "dataplane" in imports["compose"]
    assert "dataplane" not in drawn["compose"]


def test_each_phase_that_can_end_a_request_names_its_modules() -> None:
    modules = diagrams.phase_modules()
    # The account is taken of all of them.
    assert {phase for phase, found in modules.items() if not found} == {Phase.ACCOUNT}


def test_the_architecture_lists_the_packages_of_the_import_contract_row_by_row() -> None:
    page = (diagrams.ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    rows: dict[int, list[str]] = {}
    for row, package in re.findall(r"^\| ([0-9]+) \| `(\w+)` \| ", page, re.MULTILINE):
        rows.setdefault(int(row), []).append(package)
    assert [rows[number] for number in sorted(rows)] == diagrams.layers()
    assert sorted(rows) == list(range(1, len(rows) + 1))


def test_the_architecture_lists_the_phases_in_their_order() -> None:
    page = (diagrams.ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    _, _, table = page.partition("| Phase | What happens |")
    assert re.findall(r"^\| ([a-z]+) \| ", table, re.MULTILINE) == list(Phase)
