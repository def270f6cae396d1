"""Every regular expression of a package, found in its source, and how each is used."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

_FUNCTIONS: Final = frozenset(
    {"compile", "match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"}
)
_WHOLE: Final = frozenset({"match", "fullmatch"})


class Used(NamedTuple):
    """A pattern as it is used in one way; ``where`` is ``file:line``."""

    where: str
    pattern: str | bytes
    flags: int
    how: str


class RunTime(NamedTuple):
    """What a pattern that is made at run time can come to; ``how`` it is used, if not by name."""

    examples: Sequence[str | bytes]
    how: str = ""


class UnknownPatternError(Exception):
    """A pattern is made at run time, and nobody has said of what."""


class _Module(NamedTuple):
    name: str
    path: Path
    tree: ast.Module


def used_patterns(
    source: Path,
    packages: Sequence[str],
    at_run_time: Mapping[str, RunTime],
    without: Sequence[str] = (),
) -> Iterator[Used]:
    """Find the patterns of all modules of ``packages`` below ``source``.

    Args:
        source: the folder that holds the packages.
        packages: their names.
        at_run_time: for each pattern that is made when the program runs, by its expression as it
            stands in the source: what it can come to.
        without: modules that are left out, with all below them.

    Raises:
        UnknownPatternError: a pattern is neither a constant nor in ``at_run_time``.
    """
    modules = [
        _Module(".".join(path.relative_to(source).with_suffix("").parts), path, ast.parse(text))
        for package in packages
        for path in sorted((source / package).rglob("*.py"))
        if "re" in (text := path.read_text("utf-8"))
    ]
    for module in modules:
        if module.name.startswith(tuple(without)):
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ImportFrom) and node.module == "re":
                raise UnknownPatternError(f"{module.path}: import re as a whole")
            if isinstance(node, ast.Call) and _function(node):
                yield from _of_call(module, modules, node, at_run_time)


def _function(node: ast.Call) -> str:
    target = node.func
    if isinstance(target, ast.Attribute) and ast.unparse(target.value) == "re":
        return target.attr if target.attr in _FUNCTIONS else ""
    return ""


def _of_call(
    module: _Module,
    modules: Sequence[_Module],
    node: ast.Call,
    at_run_time: Mapping[str, RunTime],
) -> Iterator[Used]:
    function = _function(node)
    flags = 0
    for argument in [*node.args[1:], *(each.value for each in node.keywords)]:
        if "re." in ast.unparse(argument):
            flags |= int(_value(module, argument))
    hows = _usages(module, modules, node) if function == "compile" else {_how(function)}
    written = ast.unparse(node.args[0])
    made = at_run_time.get(written)
    patterns = [_value(module, node.args[0])] if made is None else made.examples
    if made is not None and made.how:
        hows = {made.how}
    where = f"{module.name}:{node.lineno}"
    for pattern in patterns:
        for how in sorted(hows):
            yield Used(where, pattern, flags, how)


def _value(module: _Module, node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        names = vars(importlib.import_module(module.name.removesuffix(".__init__")))
    try:
        return eval(compile(ast.Expression(node), str(module.path), "eval"), dict(names))  # noqa: S307
    except NameError as error:
        raise UnknownPatternError(f"{module.path}:{node.lineno}: {ast.unparse(node)}") from error


def _how(method: str) -> str:
    return method if method in _WHOLE else "search"


def _usages(module: _Module, modules: Sequence[_Module], call: ast.Call) -> set[str]:
    """With which methods a compiled pattern is used; what cannot be known counts as a search."""
    name = _assigned_name(module.tree, call)
    hows: set[str] = set()
    for each in modules:
        if each is not module and name.startswith("_"):
            continue
        for node in ast.walk(each.tree):
            if isinstance(node, ast.Attribute) and _last_name(node.value) == name:
                hows.add(_how(node.attr))
            elif isinstance(node, ast.Call):
                hows |= _within(each.tree, node, name)
    return hows or {"search"}


def _within(tree: ast.Module, call: ast.Call, name: str) -> set[str]:
    """With which methods a function of the module uses a pattern that it is given by name."""
    hows: set[str] = set()
    for at, argument in enumerate(call.args):
        if not (isinstance(argument, ast.Name) and argument.id == name):
            continue
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef) and function.name == _last_name(call.func):
                parameter = function.args.args[at].arg
                hows |= {
                    _how(node.attr)
                    for node in ast.walk(function)
                    if isinstance(node, ast.Attribute) and _last_name(node.value) == parameter
                }
    return hows


def _assigned_name(tree: ast.Module, call: ast.Call) -> str:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is call:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            return _last_name(target)
    return ""


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def compiled(used: Used) -> re.Pattern[Any]:
    """The pattern as ``re`` has it."""
    return re.compile(used.pattern, used.flags)
