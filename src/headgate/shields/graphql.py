"""Measures a GraphQL query without executing it.

The scanner knows the part of the grammar that it needs (https://spec.graphql.org/October2021/,
sections 2.1 to 2.9), and refuses what it cannot read.  It counts a fragment each time it is
spread, because the server resolves it each time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

MAX_DEPTH: Final = 10
MAX_SELECTIONS: Final = 1000
MAX_ALIASES: Final = 10
MAX_ROOT_FIELDS: Final = 10
"""The bounds of ``mlflow.server.graphql.graphql_no_batching`` of MLflow 3, which older servers
lack.  Aliases are counted over the whole query here."""
MAX_LENGTH: Final = 65_536
"""Characters; MLflow's page sends about 1500."""
MAX_NESTING: Final = 64
"""Nested brackets of any kind, without spreading fragments."""

_TOKEN: Final = re.compile(
    r"""(?P<skip>[\s,\ufeff]+|\#[^\n\r]*)
      |(?P<text>\"\"\"(?:[^"\\]|\\.|"(?!""))*\"\"\"|"(?:[^"\\\n\r]|\\.)*")
      |(?P<spread>\.\.\.)
      |(?P<name>[_A-Za-z][_0-9A-Za-z]*)
      |(?P<number>-?[0-9][0-9A-Za-z.+\-]*)
      |(?P<mark>[!$&()*:=@\[\]{|}])""",
    re.VERBOSE | re.DOTALL,
)
_CLOSES: Final = {"{": "}", "(": ")", "[": "]"}


class UnreadableError(Exception):
    """The scanner cannot read the text as GraphQL."""


@dataclass(slots=True)
class _Selection:
    """A set of fields, with nested selections and the fragments spread in it."""

    fields: int = 0
    aliases: int = 0
    spreads: list[str] = field(default_factory=list)
    inner: list[_Selection] = field(default_factory=list)
    inline: list[_Selection] = field(default_factory=list)


class _Extent(NamedTuple):
    """The size of a selection with all fragments spread."""

    depth: int
    roots: int
    selections: int
    aliases: int


class Bounds(NamedTuple):
    """The limits of a query; ``length`` is in characters."""

    depth: int = MAX_DEPTH
    selections: int = MAX_SELECTIONS
    aliases: int = MAX_ALIASES
    root_fields: int = MAX_ROOT_FIELDS
    length: int = MAX_LENGTH


DEFAULT: Final = Bounds()


def excess(query: str, allowed: Bounds = DEFAULT) -> str:
    """The limit that a query exceeds, to follow "the query"; empty if none."""
    if len(query) > allowed.length:
        return f"is longer than {allowed.length} characters"
    try:
        operations, fragments = _Parser(query, allowed.depth).document()
        extents = [_Measure(fragments).of(each) for each in operations]
    except UnreadableError as error:
        return str(error)
    bounds = (
        (
            max(each.depth for each in extents),
            allowed.depth,
            f"is nested more than {allowed.depth} deep",
        ),
        (
            sum(each.aliases for each in extents),
            allowed.aliases,
            f"has more than {allowed.aliases} aliases",
        ),
        (
            sum(each.roots for each in extents),
            allowed.root_fields,
            f"has more than {allowed.root_fields} root fields",
        ),
        (
            sum(each.selections for each in extents),
            allowed.selections,
            f"selects more than {allowed.selections} fields",
        ),
    )
    return next((said for found, bound, said in bounds if found > bound), "")


class _Parser:
    """Reads a document into the selections of its operations and of its fragments."""

    def __init__(self, query: str, depth: int) -> None:
        self._depth = depth  # the limit in the message about nesting
        self._tokens = _tokens(query)
        self._kind, self._text = "", ""
        self._next()

    def document(self) -> tuple[list[_Selection], dict[str, _Selection]]:
        """The operations, of which there is at least one, and the fragments by name."""
        operations: list[_Selection] = []
        fragments: dict[str, _Selection] = {}
        while self._kind:
            if self._text == "fragment":
                self._next()
                name = self._name()
                if name in fragments:
                    raise UnreadableError("has two fragments with one name")
                self._skip_to_selection()
                fragments[name] = self._selection(1)
            elif self._text in ("query", "mutation", "{"):
                self._skip_to_selection()
                operations.append(self._selection(1))
            else:
                raise UnreadableError("contains something other than queries")
        if not operations:
            raise UnreadableError("is empty")
        return operations, fragments

    def _selection(self, nesting: int) -> _Selection:
        """The selection between ``{``, which is next, and its ``}``."""
        if nesting > MAX_NESTING:
            raise UnreadableError(f"is nested more than {self._depth} deep")
        found = _Selection()
        self._next()
        while self._text != "}":
            if self._kind == "spread":
                self._next()
                if self._kind == "name" and self._text != "on":
                    found.spreads.append(self._name())
                    self._directives()
                else:
                    self._skip_to_selection()
                    found.inline.append(self._selection(nesting + 1))
            else:
                self._field(found, nesting)
        self._next()
        return found

    def _field(self, found: _Selection, nesting: int) -> None:
        self._name()
        found.fields += 1
        if self._text == ":":
            self._next()
            self._name()
            found.aliases += 1
        if self._text == "(":
            self._brackets()
        self._directives()
        if self._text == "{":
            found.inner.append(self._selection(nesting + 1))

    def _directives(self) -> None:
        while self._text == "@":
            self._next()
            self._name()
            if self._text == "(":
                self._brackets()

    def _skip_to_selection(self) -> None:
        """Skip the head of a definition or of an inline fragment."""
        while self._text != "{":
            if self._text == "(":
                self._brackets()
            elif self._text == "}" or not self._kind:
                raise UnreadableError("cannot be read")
            else:
                self._next()

    def _brackets(self) -> None:
        """Skip arguments or variables."""
        closing = [_CLOSES[self._text]]
        while closing:
            self._next()
            if self._text in _CLOSES and self._kind == "mark":
                closing.append(_CLOSES[self._text])
            elif self._kind == "mark" and self._text in _CLOSES.values():
                if self._text != closing.pop():
                    raise UnreadableError("cannot be read")
            elif not self._kind:
                raise UnreadableError("cannot be read")
            if len(closing) > MAX_NESTING:
                raise UnreadableError(f"is nested more than {MAX_NESTING} deep")
        self._next()

    def _name(self) -> str:
        if self._kind != "name":
            raise UnreadableError("cannot be read")
        name = self._text
        self._next()
        return name

    def _next(self) -> None:
        self._kind, self._text = next(self._tokens, ("", ""))


def _tokens(query: str) -> Iterator[tuple[str, str]]:
    """The relevant tokens, each with its kind; strings without their text."""
    at = 0
    while at < len(query):
        match = _TOKEN.match(query, at)
        if match is None or match.lastgroup is None:
            raise UnreadableError("cannot be read")
        at = match.end()
        if match.lastgroup == "text":
            yield "text", ""
        elif match.lastgroup != "skip":
            yield match.lastgroup, match[0]


class _Measure:
    """Measures selections; each fragment only once."""

    def __init__(self, fragments: Mapping[str, _Selection]) -> None:
        self._fragments = fragments
        self._measured: dict[str, _Extent] = {}
        self._open: set[str] = set()

    def of(self, selection: _Selection) -> _Extent:
        """The size of ``selection``; its own fields have depth one.

        Raises:
            UnreadableError: a fragment is missing, or spreads itself.
        """
        below = [self.of(each) for each in selection.inner]
        beside = [self.of(each) for each in selection.inline]
        beside += [self._of_fragment(name) for name in selection.spreads]
        return _Extent(
            depth=max((1, *(1 + each.depth for each in below), *(each.depth for each in beside))),
            roots=selection.fields + sum(each.roots for each in beside),
            selections=selection.fields + sum(each.selections for each in (*below, *beside)),
            aliases=selection.aliases + sum(each.aliases for each in (*below, *beside)),
        )

    def _of_fragment(self, name: str) -> _Extent:
        if name in self._measured:
            return self._measured[name]
        if name in self._open or len(self._open) >= MAX_NESTING:
            raise UnreadableError("spreads a fragment within itself")
        if name not in self._fragments:
            raise UnreadableError("spreads a fragment that is not defined")
        self._open.add(name)
        extent = self.of(self._fragments[name])
        self._open.discard(name)
        self._measured[name] = extent
        return extent
