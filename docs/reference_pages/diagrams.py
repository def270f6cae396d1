"""The page of diagrams: packages, from the imports; phases of a request, from the sources."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import grimp

from docs.reference_pages.markdown import GENERATED, table
from headgate.model import Phase

ROOT: Final = Path(__file__).parents[2]
SOURCE: Final = ROOT / "src" / "headgate"
PACKAGE: Final = "headgate"

_INTRODUCTION = """# Diagrams

Drawn from the code, so that they cannot show anything else. The
[architecture](architecture.md) says why it is so.

## Packages

Each box is a row of the import contract `layers` in `pyproject.toml`: a package may import packages
of the rows below it. An arrow is a real import; one that follows from two others is left out.

"""
_PHASES = """
## The phases of a request

In their order (`headgate.model.Phase`). Each can end the request; the modules are those that name
the phase when they do.

"""


def page() -> str:
    """The whole page."""
    return (
        GENERATED
        + _INTRODUCTION
        + mermaid(_package_lines(layers(), package_imports()))
        + _PHASES
        + mermaid(_phase_lines())
        + "\n"
        + table(("Phase", "Modules that end a request there"), _phase_rows())
    )


def mermaid(lines: Iterable[str]) -> str:
    """A diagram that GitHub and most viewers of Markdown draw."""
    return "```mermaid\n" + "".join(f"{line}\n" for line in lines) + "```\n"


def layers() -> list[list[str]]:
    """The rows of the import contract, from the top; without the name of the root package."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (rows,) = (
        each["layers"]
        for each in contracts["tool"]["importlinter"]["contracts"]
        if each["type"] == "layers"
    )
    return [[name.strip().removeprefix(f"{PACKAGE}.") for name in row.split("|")] for row in rows]


def package_imports() -> dict[str, set[str]]:
    """What each top-level package or module imports of the others, directly."""
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    found: dict[str, set[str]] = {each: set() for row in layers() for each in row}
    for module in graph.modules:
        importer = _top(module)
        for imported in graph.find_modules_directly_imported_by(module):
            if importer in found and _top(imported) in found and _top(imported) != importer:
                found[importer].add(_top(imported))
    return found


def _top(module: str) -> str:
    return module.partition(".")[2].partition(".")[0]


def reduced(imports: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """The imports without those that follow from others; there is no cycle."""
    reached: dict[str, set[str]] = {}

    def reach(package: str) -> set[str]:
        if package not in reached:
            direct = imports[package]
            reached[package] = direct.union(*map(reach, direct))
        return reached[package]

    return {
        package: {
            each
            for each in direct
            if not any(each in reach(other) for other in direct if other != each)
        }
        for package, direct in imports.items()
    }


def _package_lines(rows: Sequence[Sequence[str]], imports: Mapping[str, set[str]]) -> Iterator[str]:
    yield "flowchart TD"
    for at, row in enumerate(rows):
        yield f'  subgraph row{at}[" "]'
        yield from (f"    {each}" for each in row)
        yield "  end"
    for package, direct in reduced(imports).items():
        yield from (f"  {package} --> {each}" for each in sorted(direct))


def _phase_lines() -> Iterator[str]:
    yield "flowchart LR"
    yield "  " + " --> ".join(Phase)


def _phase_rows() -> Iterator[tuple[str, str]]:
    modules = phase_modules()
    for phase in Phase:
        yield phase, ", ".join(f"`{each}`" for each in modules[phase]) or "none"


def phase_modules() -> dict[Phase, list[str]]:
    """The modules that name each phase, doubles for tests aside."""
    found: dict[Phase, list[str]] = {phase: [] for phase in Phase}
    for file in sorted(SOURCE.rglob("*.py")):
        module = str(file.relative_to(SOURCE).with_suffix(""))
        if module.startswith(("testing/", "telemetry/")):
            continue
        for name in sorted(_phases_named(ast.parse(file.read_text(encoding="utf-8")))):
            found[Phase[name]].append(module)
    return found


def _phases_named(tree: ast.AST) -> set[str]:
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "Phase"
    }
