"""The check for imports in a circle."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tools import cycles


def test_each_group_of_modules_in_a_circle_is_found() -> None:
    imports = {
        "a": {"b"},
        "b": {"c"},
        "c": {"a", "d"},
        "d": set[str](),
        "x": {"y", "d"},
        "y": {"x"},
    }
    found = [set(circle) for circle in cycles.circles(imports)]
    assert sorted(found, key=len) == [{"x", "y"}, {"a", "b", "c"}]


def test_a_circle_is_written_in_the_order_of_the_imports() -> None:
    (circle,) = cycles.circles({"a": {"b"}, "b": {"c"}, "c": {"a"}})
    pairs = set(itertools.pairwise(circle))
    assert pairs == {("a", "b"), ("b", "c"), ("c", "a")}


def test_imports_for_types_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "circular_example"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "one.py").write_text("from circular_example import two\n", encoding="utf-8")
    (package / "two.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from circular_example.one import two\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    imports = cycles.imports_of(["circular_example"])
    assert len(list(cycles.circles(imports))) == 1
