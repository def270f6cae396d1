"""The data plane moves bytes: what MLflow's routes and families are is known to the contract."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import headgate.dataplane
from headgate.contract import table
from headgate.contract.rules import read_rules
from headgate.model import FAMILIES

SOURCES = sorted(Path(headgate.dataplane.__path__[0]).rglob("*.py"))
NAMES = frozenset(FAMILIES) | {rule.name for rule in read_rules()}
PATHS = frozenset(path for row in table().rows for path in row.paths if path != "/")


def constants(source: Path) -> Iterator[str]:
    """The texts of a module, docstrings aside."""
    tree = ast.parse(source.read_text("utf-8"))
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in prose:
            value = node.value
            yield value.decode("latin-1") if isinstance(value, bytes) else str(value)


def test_the_data_plane_names_no_route_and_no_family_of_mlflows() -> None:
    named = {
        (source.name, text)
        for source in SOURCES
        for text in constants(source)
        if text in NAMES or text in PATHS or text.startswith(("/api/", "/ajax-api/"))
    }
    assert named == set()
