"""How large files and functions are, and how many handlers catch everything.

``python -m tools.stats`` prints it for the sources, by package and in all.  A function has the
lines from ``def`` to its last; a file all its lines.
"""

from __future__ import annotations

import ast
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src"
_BROAD = ("Exception", "BaseException")


@dataclass(frozen=True, order=True)
class Measured:
    """A file or a function; ``where`` names it."""

    lines: int
    where: str


@dataclass(frozen=True)
class File:
    """A source file, its functions and how often it catches everything."""

    size: Measured
    package: str
    functions: tuple[Measured, ...]
    broad_excepts: int


def measure(sources: Path = SOURCES) -> list[File]:
    """Measure all Python files below ``sources``."""
    return [_file(file, sources) for file in sorted(sources.rglob("*.py"))]


def percentile(sizes: Sequence[int], percent: int) -> int:
    """The smallest of ``sizes`` that so many percent of them do not exceed; 0 of none."""
    ranked = sorted(sizes)
    return ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)] if ranked else 0


def report(files: Sequence[File]) -> Iterator[str]:
    """Lines of the table."""
    functions = [function for file in files for function in file.functions]
    yield f"{'':28}{'count':>7}{'median':>8}{'p90':>6}{'p99':>6}{'longest':>9}"
    yield _row("files (lines)", [file.size for file in files])
    yield _row("functions (lines)", functions)
    broad, lines = sum(file.broad_excepts for file in files), sum(file.size.lines for file in files)
    per_kloc = broad * 1000 / lines if lines else 0
    yield f"broad excepts: {broad} in {lines:,} lines, {per_kloc:.2f} per 1,000"
    yield ""
    yield f"{'package':28}{'files':>7}{'lines':>8}{'functions':>11}{'broad excepts':>15}"
    for package in sorted({file.package for file in files}):
        own = [file for file in files if file.package == package]
        yield (
            f"{package:28}{len(own):>7}{sum(file.size.lines for file in own):>8,}"
            f"{sum(len(file.functions) for file in own):>11,}"
            f"{sum(file.broad_excepts for file in own):>15}"
        )


def _row(name: str, measured: Sequence[Measured]) -> str:
    sizes = [each.lines for each in measured]
    longest = max(measured, default=Measured(0, "none"))
    return (
        f"{name:28}{len(sizes):>7,}{percentile(sizes, 50):>8}{percentile(sizes, 90):>6}"
        f"{percentile(sizes, 99):>6}{longest.lines:>9}  {longest.where}"
    )


def _file(file: Path, sources: Path) -> File:
    text = file.read_text(encoding="utf-8")
    relative = file.relative_to(sources)
    nodes = list(ast.walk(ast.parse(text)))
    functions = tuple(
        Measured((node.end_lineno or node.lineno) - node.lineno + 1, f"{relative}:{node.name}")
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    broad = sum(_is_broad(node) for node in nodes if isinstance(node, ast.ExceptHandler))
    return File(
        Measured(len(text.splitlines()), str(relative)),
        "/".join(relative.parts[:2]),
        functions,
        broad,
    )


def _is_broad(handler: ast.ExceptHandler) -> bool:
    caught = handler.type
    kinds = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(kind is None or (isinstance(kind, ast.Name) and kind.id in _BROAD) for kind in kinds)


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in report(measure()))
