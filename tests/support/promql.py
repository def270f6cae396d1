"""Reads PromQL for its names: which metrics a query takes, and by which labels.

A query is cut into tokens by the lexical rules of Prometheus' documentation ("Querying basics",
"Operators"); nothing is computed.  Variables of Grafana may stand in strings and in ranges.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>"(?:[^"\\]|\\.)*")
    | (?P<range>\[[^\]]*\])
    | (?P<duration>(?:[0-9]+(?:ms|[smhdwy]))+)
    | (?P<number>(?:[0-9]*\.)?[0-9]+(?:[eE][+-]?[0-9]+)?|Inf|NaN)
    | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
    | (?P<sign>=~|!~|!=|==|>=|<=|[-+*/%^=<>(){},])
    )""",
    re.VERBOSE,
)
_MODIFIERS = {"by", "without", "on", "ignoring", "group_left", "group_right"}
_OPERATORS = {"and", "or", "unless", "bool", "offset"}


class QueryError(AssertionError):
    """The text is no query that this reader understands."""


@dataclass(frozen=True)
class Matcher:
    """One condition on a label."""

    label: str
    sign: str
    value: str


@dataclass
class Use:
    """One metric in a query, with its conditions."""

    metric: str
    matchers: list[Matcher] = field(default_factory=list)


@dataclass
class Names:
    """What a query names: metrics, functions, and labels that results are grouped by."""

    uses: list[Use] = field(default_factory=list)
    functions: set[str] = field(default_factory=set)
    grouping: set[str] = field(default_factory=set)


def read(query: str) -> Names:
    """The names in a query.

    Raises:
        QueryError: it has what this reader does not know.
    """
    tokens = _tokens(query)
    names = Names()
    at = 0
    while at < len(tokens):
        kind, text = tokens[at]
        following = tokens[at + 1][1] if at + 1 < len(tokens) else ""
        at += 1
        if kind != "name" or text in _OPERATORS:
            continue
        if text in _MODIFIERS:
            at = _labels(tokens, at, names.grouping)
        elif following == "(" or following in ("by", "without"):
            names.functions.add(text)
        else:
            use = Use(text)
            at = _matchers(tokens, at, use.matchers)
            names.uses.append(use)
    return names


def _tokens(query: str) -> Sequence[tuple[str, str]]:
    found = []
    at = 0
    text = query.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise QueryError(f"not understood: {text[at:]!r}")
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


def _labels(tokens: Sequence[tuple[str, str]], at: int, into: set[str]) -> int:
    """Read ``(a, b)`` at ``at``, if there; where it ends."""
    if at == len(tokens) or tokens[at][1] != "(":
        raise QueryError(f"no list of labels: {tokens}")
    at += 1
    while tokens[at][1] != ")":
        if tokens[at][0] == "name":
            into.add(tokens[at][1])
        at += 1
    return at + 1


def _matchers(tokens: Sequence[tuple[str, str]], at: int, into: list[Matcher]) -> int:
    """Read ``{a="b", ...}`` at ``at``, if there; where it ends."""
    if at == len(tokens) or tokens[at][1] != "{":
        return at
    at += 1
    while tokens[at][1] != "}":
        (kind, label), (_, sign), (value_kind, value) = tokens[at : at + 3]
        if kind != "name" or value_kind != "string" or sign not in ("=", "!=", "=~", "!~"):
            raise QueryError(f"no condition: {label}{sign}{value}")
        into.append(Matcher(label, sign, value[1:-1]))
        at += 3
        if tokens[at][1] == ",":
            at += 1
    return at + 1
