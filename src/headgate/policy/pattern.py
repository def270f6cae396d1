"""Whether a name fits a pattern: ``*`` is any text, slashes too, ``?`` is any one character.

There are no other special characters and no way to escape these two, so that a pattern says at a
glance what it covers.  The whole name must fit, its case included.
"""

from __future__ import annotations

import unicodedata
from typing import Final

LONGEST_NAME: Final = 1024
"""No name is longer: MLflow's own limit is 500 for experiments, 256 characters for models."""


def fits(name: str, pattern: str) -> bool:
    """Whether the whole of ``name`` fits ``pattern``, which is in Unicode's composed form (NFC).

    The name is compared in that form too: what looks the same is the same.
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
