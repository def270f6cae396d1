"""Which unit tests run code that is compiled, and so run again on a compiled build."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

from tools import compiled

UNIT: Final = compiled.ROOT / "tests" / "unit"
DOUBLES: Final = "headgate.testing"
"""Its doubles run the data plane."""


def of_compiled_code(folder: Path = UNIT) -> list[Path]:
    """The files of tests of a package with a compiled module, and those that import one.

    The modules at the root of the package, such as ``model``, decide nothing here: everything
    imports them.
    """
    modules = {each for each in compiled.modules() if each.count(".") > 1}
    packages = {each.split(".")[1] for each in modules}
    found = []
    for file in sorted(folder.rglob("test_*.py")):
        package = file.relative_to(folder).parts[0]
        if package in packages or any(_runs(each, modules) for each in _imports(file)):
            found.append(file)
    return found


def _runs(imported: str, modules: set[str]) -> bool:
    return imported in modules or imported.startswith(DOUBLES)


def _imports(file: Path) -> set[str]:
    """The dotted names of all that a file imports, modules and what is in them."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
    return found
