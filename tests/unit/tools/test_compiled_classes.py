"""Classes of the sources that a compiled build can make, which the sources alone do not show."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools import compiled

SOURCE = compiled.ROOT / "src"


def name_of(file: Path) -> str:
    return ".".join(file.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


def classes(module: str) -> dict[str, ast.ClassDef]:
    path = SOURCE.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {each.name: each for each in tree.body if isinstance(each, ast.ClassDef)}


def interpreted_of_compiled() -> Iterator[tuple[str, str, str]]:
    """Each class that is not compiled, with the module and the name of its base that is."""
    modules = set(compiled.modules())
    for file in sorted((SOURCE / "headgate").rglob("*.py")):
        if name_of(file) in modules:
            continue
        tree = ast.parse(file.read_text(encoding="utf-8"))
        imported = {
            each.asname or each.name: (node.module, each.name)
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module in modules
            for each in node.names
        }
        for node in ast.walk(tree):
            for base in node.bases if isinstance(node, ast.ClassDef) else ():
                if isinstance(base, ast.Name) and base.id in imported:
                    assert isinstance(node, ast.ClassDef)
                    yield f"{name_of(file)}.{node.name}", *imported[base.id]


FOUND = list(interpreted_of_compiled())


@pytest.mark.parametrize(("name", "module", "base"), FOUND, ids=[each[0] for each in FOUND])
def test_a_compiled_base_lets_classes_be_interpreted(name: str, module: str, base: str) -> None:
    """Otherwise the compiled gate cannot make one of them; errors need no leave."""
    found = classes(module).get(base)
    if found is None or name.endswith("Error") or base.endswith("Error"):
        return
    decorators = [ast.unparse(each) for each in found.decorator_list]
    assert "mypyc_attr(allow_interpreted_subclasses=True)" in decorators, f"{module}.{base}"


def test_such_classes_are_found() -> None:
    assert any(name == "headgate.upstreams.creates.UpstreamCreates" for name, _, _ in FOUND)


def spread_to_a_base(tree: ast.AST) -> list[int]:
    """The lines with ``super().method(*arguments)``, for which mypyc makes code that crashes."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Call)
        and isinstance(node.func.value.func, ast.Name)
        and node.func.value.func.id == "super"
        and any(isinstance(each, ast.Starred) for each in node.args)
    ]


def test_no_arguments_are_spread_in_a_call_of_a_base() -> None:
    assert spread_to_a_base(ast.parse("class A(B):\n  def f(self):\n    super().f(*self.x)")) == [3]
    found = {}
    for module in compiled.modules():
        path = SOURCE.joinpath(*module.split("."))
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        found[module] = spread_to_a_base(ast.parse(file.read_text(encoding="utf-8")))
    assert {name: lines for name, lines in found.items() if lines} == {}
