"""Matches names against patterns: ``*`` is any text, including ``/``, ``?`` is one character.

There are no other special characters and no escapes for these two, so that a pattern is easy to
read.  The whole name has to match, case-sensitive.
"""

from __future__ import annotations

import unicodedata
from typing import Final

LONGEST_NAME: Final = 1024
"""No name is longer: MLflow's own limit is 500 for experiments, 256 characters for models."""


def fits(name: str, pattern: str) -> bool:
    """Whether the whole of ``name`` matches ``pattern``, which is in Unicode's composed form (NFC).

    The name is compared in that form too, so that names that look alike are equal.
    """
    if len(name) > LONGEST_NAME:
        return False
    name = unicodedata.normalize("NFC", name)
    at = place = 0
    star = resume = -1  # the last star, and where in the name what follows it was tried last
    while at < len(name):
        if place < len(pattern) and pattern[place] == "*":
            star, resume = place, at
            place += 1
        elif place < len(pattern) and pattern[place] in ("?", name[at]):
            at += 1
            place += 1
        elif star >= 0:  # let the last star take one character more
            resume += 1
            at, place = resume, star + 1
        else:
            return False
    return all(rest == "*" for rest in pattern[place:])
