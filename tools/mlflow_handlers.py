"""Which parameters the handlers of MLflow's Flask routes read by hand, by their exact names.

Most handlers let ``_get_request_message`` fill a protobuf message; some read ``request.args`` or
``request.json`` instead, or beside it.  The source of a handler is read, and that of the functions
of the server that it calls with the request at hand.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

_MAX_CALLS = 3
_BODY_READERS = ("_get_request_json", "_get_normalized_request_json")
_BOTH_READER = "_get_validated_flask_request_json"
_MESSAGE_READERS = ("_get_request_message", "_get_workspace_request_message")
_TRANSPARENT = ("to_dict", "copy")
_GETTERS = ("get", "getlist", "pop")
BOTH = ("query", "body")


class HandRead(NamedTuple):
    """The names that are read from the query and from the body, and the message that is filled."""

    query: tuple[str, ...] = ()
    body: tuple[str, ...] = ()
    message: Any = None


def hand_read(handler: Callable[..., Any]) -> HandRead:
    """What ``handler`` reads.

    Raises:
        ValueError: a name is computed where it is read, or there are several messages, so that a
            person has to look.
    """
    found = _Found(set(), set(), {})
    _look(inspect.unwrap(handler), found, 0)
    if len(found.messages) > 1:
        raise ValueError(f"several messages: {sorted(found.messages)}")
    message = next(iter(found.messages.values()), None)
    return HandRead(tuple(sorted(found.query)), tuple(sorted(found.body)), message)


class _Found(NamedTuple):
    query: set[str]
    body: set[str]
    messages: dict[str, Any]


def _look(function: Callable[..., Any], found: _Found, depth: int) -> None:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):  # it is no function with a source
        return
    containers: dict[str, tuple[str, ...]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            kinds = _kinds(node.value, containers)
            if kinds:
                containers[node.targets[0].id] = kinds
    for node in ast.walk(tree):
        for kinds, name in _reads(node, containers):
            for kind in kinds:
                (found.query if kind == "query" else found.body).add(name)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            _follow(node, function, found, depth)


def _follow(call: ast.Call, function: Callable[..., Any], found: _Found, depth: int) -> None:
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    if name in _MESSAGE_READERS:
        _take_message(call.args[0], function, found)
    if name in (*_MESSAGE_READERS[:1], *_BODY_READERS, _BOTH_READER) or depth == _MAX_CALLS:
        return
    called = inspect.unwrap(getattr(function, "__globals__", {}).get(name, len))
    if inspect.isfunction(called) and called.__module__.startswith("mlflow.server"):
        _look(called, found, depth + 1)


def _take_message(made: ast.expr, function: Callable[..., Any], found: _Found) -> None:
    """Take note of the type of message that is made to be filled."""
    if not isinstance(made, ast.Call):
        return  # a parameter: the caller says what it is
    names = ast.unparse(made.func).split(".")
    kind = inspect.getmodule(function)
    for name in names:
        kind = getattr(kind, name)
    descriptor = getattr(kind, "DESCRIPTOR")  # noqa: B009  only messages have it
    found.messages[descriptor.full_name] = descriptor


def _kinds(value: ast.expr, containers: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Which parts of the request an expression stands for."""
    kinds: tuple[str, ...] = ()
    if isinstance(value, ast.Name):
        kinds = containers.get(value.id, ())
    elif isinstance(value, ast.Attribute) and _is_request(value.value):
        kinds = {"args": ("query",), "json": ("body",), "values": BOTH}.get(value.attr, ())
    elif isinstance(value, ast.BoolOp):
        kinds = _kinds(value.values[0], containers)
    elif isinstance(value, ast.IfExp):
        kinds = (*_kinds(value.body, containers), *_kinds(value.orelse, containers))
    elif isinstance(value, ast.Call):
        kinds = _kinds_of_call(value, containers)
    return kinds


def _kinds_of_call(call: ast.Call, containers: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    if isinstance(call.func, ast.Attribute):
        if call.func.attr == "get_json" and _is_request(call.func.value):
            return ("body",)
        return _kinds(call.func.value, containers) if call.func.attr in _TRANSPARENT else ()
    if isinstance(call.func, ast.Name):
        if call.func.id in _BODY_READERS:
            return ("body",)
        return BOTH if call.func.id == _BOTH_READER else ()
    return ()


def _is_request(value: ast.expr) -> bool:
    return isinstance(value, ast.Name) and value.id in ("request", "flask_request")


def _reads(
    node: ast.AST, containers: dict[str, tuple[str, ...]]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """The names that one expression reads, with the parts of the request it reads them from."""
    if isinstance(node, ast.Subscript):
        kinds, name = _kinds(node.value, containers), node.slice
        if kinds:
            yield kinds, _constant(name)
    elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
        kinds = _kinds(node.comparators[0], containers)
        if kinds and isinstance(node.left, ast.Constant):
            yield kinds, _constant(node.left)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        kinds = _kinds(node.func.value, containers)
        if kinds and node.func.attr in _GETTERS:
            yield kinds, _constant(node.args[0])
    elif isinstance(node, ast.Call) and ast.unparse(node.func) == _BOTH_READER:
        schema = next(each.value for each in node.keywords if each.arg == "schema")
        for key in getattr(schema, "keys", ()):
            yield BOTH, _constant(key)


def _constant(value: ast.expr) -> str:
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return value.value
    raise ValueError(f"a computed name: {ast.unparse(value)}")
