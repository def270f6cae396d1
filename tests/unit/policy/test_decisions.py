"""What each built-in role may do, operation by operation."""

from __future__ import annotations

import csv
from pathlib import Path

from headgate.contract import table
from tests.support import decisions

FILE = Path(__file__).parents[3] / decisions.FILE


def test_the_table_in_the_repository_is_what_is_decided() -> None:
    """``python -m tests.support.decisions`` writes it anew."""
    assert FILE.read_text(encoding="utf-8") == decisions.text()


def test_every_operation_of_the_contract_is_in_the_table() -> None:
    with FILE.open(encoding="utf-8", newline="") as file:
        listed = [line["operation"] for line in csv.DictReader(file, delimiter="\t")]
    assert len(listed) == len(set(listed))
    assert set(listed) == {row.operation.name for row in table().rows}


def test_methods_of_one_route_need_the_same() -> None:
    """So that one line can stand for them."""
    needs: dict[str, set[object]] = {}
    for _, operation in table().rows:
        needs.setdefault(operation.name, set()).add(
            (operation.action, operation.family, operation.also, operation.public)
        )
    assert all(len(each) == 1 for each in needs.values())
