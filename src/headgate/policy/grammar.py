"""Grants as text.

    ACTION:FAMILY [on experiment PATTERN | on model PATTERN] [in upstream NAME] [in workspace NAME]

``*`` is any action or family.  A pattern or name with a space is written in double quotes; none
contains a double quote.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple, NoReturn

from headgate.model import FAMILIES, Action, Grant, Narrowing
from headgate.policy.phrases import did_you_mean, joined
from headgate.policy.scopes import NARROWED_BY, OF_NO_UPSTREAM, OF_NO_WORKSPACE

ANY: Final = "*"
LONGEST: Final = 500  # characters of a pattern or name; MLflow's own names are no longer

_ACTIONS: Final = {action.value: action for action in Action}
_KINDS: Final = {kind.value: kind for kind in NARROWED_BY}
_WORD: Final = re.compile(r'"([^"]*)"(?!\S)|([^\s"]+)(?!\S)')


class GrantError(ValueError):
    """A text is not a grant; ``column`` counts from 1."""

    def __init__(self, column: int, message: str) -> None:
        self.column = column
        super().__init__(f"column {column}: {message}")


def parse_grant(text: str) -> Grant:
    """Read one grant.

    Raises:
        GrantError: the text is not a grant; the message has the column and what was expected.
    """
    words = _Words(text)
    action, family = _action_and_family(words)
    on = upstream = workspace = None
    column = words.column
    if words.take("on"):
        on = _narrowing(words, column, family)
        column = words.column
    if words.take("in", "upstream"):
        if family in OF_NO_UPSTREAM:
            raise GrantError(column, f"{family} is the same for every upstream")
        upstream = words.name("the name of an upstream")
        column = words.column
    if words.take("in", "workspace"):
        if family in OF_NO_WORKSPACE:
            raise GrantError(column, f"{family} belongs to no workspace")
        workspace = words.name("the name of a workspace")
    grant = Grant(action, family, on, upstream, workspace)
    if words.are_left:
        words.fail(_what_may_follow(grant))
    return grant


def write_grant(grant: Grant) -> str:
    """The text of a grant; ``parse_grant`` reads it back."""
    parts = [needed(grant.action, grant.family)]
    if grant.on is not None:
        parts.append(f"on {grant.on.kind.value} {quoted(grant.on.pattern)}")
    if grant.upstream is not None:
        parts.append(f"in upstream {quoted(grant.upstream)}")
    if grant.workspace is not None:
        parts.append(f"in workspace {quoted(grant.workspace)}")
    return " ".join(parts)


def needed(action: Action | None, family: str | None) -> str:
    """The text of an action on a family."""
    return f"{ANY if action is None else action.value}:{ANY if family is None else family}"


def quoted(text: str) -> str:
    """A pattern or name as it stands in a grant."""
    return f'"{text}"' if " " in text else text


def _action_and_family(words: _Words) -> tuple[Action | None, str | None]:
    word = words.one("ACTION:FAMILY")
    action, colon, family = word.text.partition(":")
    if word.is_quoted or not colon:
        raise GrantError(
            word.column, f"expected ACTION:FAMILY, such as read:runs, found {word.text!r}"
        )
    if action != ANY and action not in _ACTIONS:
        raise GrantError(word.column, _unknown("an action", action, _ACTIONS))
    if family != ANY and family not in FAMILIES:
        column = word.column + len(action) + 1
        raise GrantError(column, _unknown("a family", family, FAMILIES))
    return _ACTIONS.get(action), None if family == ANY else family


def _narrowing(words: _Words, column: int, family: str | None) -> Narrowing:
    expected = joined([f"'{kind}'" for kind in _KINDS])
    word = words.one(expected)
    kind = _KINDS.get(word.text)
    if kind is None or word.is_quoted:
        raise GrantError(word.column, f"expected {expected}, found {word.text!r}")
    families = NARROWED_BY[kind]
    if family is not None and family not in families:
        raise GrantError(
            column,
            f"{family} cannot be narrowed to {kind.value}s; these can: "
            f"{', '.join(name for name in FAMILIES if name in families)}",
        )
    return Narrowing(kind, words.name("a pattern of names, such as team-a/*"))


def _what_may_follow(grant: Grant) -> str:
    options = ["the end"]
    if grant.workspace is None:
        options.append("'in workspace NAME'")
        if grant.upstream is None:
            options.append("'in upstream NAME'")
            if grant.on is None:
                options += [f"'on {kind} PATTERN'" for kind in _KINDS]
    return joined(options)


def _unknown(expected: str, word: str, known: Collection[str]) -> str:
    hint = did_you_mean(word, known)
    found = f"{word!r}; {hint}" if hint else f"{word!r}"
    return f"expected {expected} ({', '.join(known)} or {ANY}), found {found}"


class _Word(NamedTuple):
    text: str
    column: int
    is_quoted: bool


class _Words:
    """The words of a text, taken one after the other."""

    def __init__(self, text: str) -> None:
        self._words = list(_words(text))
        self._end = len(text.rstrip()) + 1
        self._at = 0

    @property
    def are_left(self) -> bool:
        """Whether some have not been taken."""
        return self._at < len(self._words)

    @property
    def column(self) -> int:
        """Where the next word begins, or the text ends."""
        return self._words[self._at].column if self.are_left else self._end

    def take(self, *wanted: str) -> bool:
        """Take these words if they come next."""
        coming = self._words[self._at : self._at + len(wanted)]
        if [(word.text, word.is_quoted) for word in coming] != [(each, False) for each in wanted]:
            return False
        self._at += len(wanted)
        return True

    def one(self, expected: str) -> _Word:
        """Take the next word, whatever it is."""
        if not self.are_left:
            self.fail(expected)
        self._at += 1
        return self._words[self._at - 1]

    def name(self, expected: str) -> str:
        """Take a pattern or name, in Unicode's composed form."""
        word = self.one(expected)
        text = unicodedata.normalize("NFC", word.text)
        if not 1 <= len(text) <= LONGEST or not text.isprintable():
            raise GrantError(
                word.column, f"expected {expected}, of 1 to {LONGEST} printable characters"
            )
        return text

    def fail(self, expected: str) -> NoReturn:
        """Say what was expected in the place of the next word."""
        found = repr(self._words[self._at].text) if self.are_left else "the end"
        raise GrantError(self.column, f"expected {expected}, found {found}")


def _words(text: str) -> Iterator[_Word]:
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        match = _WORD.match(text, at)
        if match is None:
            raise GrantError(
                at + 1, "expected a word, or one in double quotes with nothing beside them"
            )
        is_quoted = match[1] is not None
        yield _Word(match[1] if is_quoted else match[2], at + 1, is_quoted)
        at = match.end()
