"""Helpers for messages that list alternatives."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable


def joined(options: Iterable[str], word: str = "or") -> str:
    """A list in a sentence: ``a, b or c``.

    >>> joined(["a", "b", "c"], "and")
    'a, b and c'
    """
    *most, last = options
    return f"{', '.join(most)} {word} {last}" if most else last


def did_you_mean(word: str, known: Collection[str]) -> str:
    """A question with the most similar known word; empty if none is similar.

    >>> did_you_mean("admn", ["admin", "viewer"])
    "did you mean 'admin'?"
    """
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean '{near[0]}'?" if near else ""
