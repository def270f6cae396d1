"""The data plane moves bytes; MLflow's routes are the contract's alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import headgate

SOURCES = Path(headgate.__file__).parent
RULES = SOURCES / "contract" / "rules.txt"
PATHS = re.compile(r"/api/|/ajax-api|\bmlflow/|/mlflow-artifacts|/v1/traces|/graphql")


def families() -> set[str]:
    """The names of all families of routes."""
    return set(re.findall(r"^\[([\w-]+)\]", RULES.read_text(encoding="utf-8"), re.MULTILINE))


def constants(file: Path) -> Iterator[tuple[int, str]]:
    """Line and text of each string in the code of ``file``, docstrings left out."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in prose:
            if isinstance(node.value, bytes):
                yield node.lineno, node.value.decode("latin-1")
            elif isinstance(node.value, str):
                yield node.lineno, node.value


def test_no_route_and_no_family_is_named() -> None:
    names = families()
    assert {"experiments", "runs", "artifacts"} <= names
    found = [
        f"{file.name}:{line}: {text!r}"
        for file in sorted((SOURCES / "dataplane").rglob("*.py"))
        for line, text in constants(file)
        if text in names or PATHS.search(text)
    ]
    assert found == []
