"""Compares patterns as sets of names: whether one lies within others, and what two share.

Patterns may be hard to compare, so the work is bounded.  Where a bound is reached,
less is said to be shared or within than there is, never more.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

_MOST_STEPS: Final = 10_000
_LARGEST_TABLE: Final = 4_096
_MOST_SHARED: Final = 16

_STARS: Final = re.compile(r"\*{2,}")


def is_within(pattern: str, others: Sequence[str]) -> bool:
    """Whether each name that fits ``pattern`` fits one of ``others``, not always the same.

    ``False`` too where it takes too long to tell.
    """
    if pattern in others:
        return True
    pattern = _STARS.sub("*", pattern)
    places = _Places(_STARS.sub("*", each) for each in others)
    # What any name that is left may go on with, where no pattern tells it from another character.
    letters = [*sorted(places.letters), ""]
    seen = {(0, places.start)}
    waiting = [(0, places.start)]
    for _ in range(_MOST_STEPS):
        if not waiting:
            return True
        at, reached = waiting.pop()
        if reached & places.open_ended:
            continue  # whatever follows fits
        if at == len(pattern):
            if not reached & places.ends:
                return False
            continue
        if pattern[at] == "*":
            following = [(at + 1, reached)]
            following += [(at, places.after(reached, letter)) for letter in letters]
        elif pattern[at] == "?":
            following = [(at + 1, places.after(reached, letter)) for letter in letters]
        else:
            following = [(at + 1, places.after(reached, pattern[at]))]
        for each in following:
            if each not in seen:
                seen.add(each)
                waiting.append(each)
    return False


class _Places:
    """The places within several patterns that the beginning of a name leads to, as bits.

    ``start``: those of the empty name; ``ends``: those at which a name may end; ``open_ended``:
    those that any rest of a name fits.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self.letters: set[str] = set()
        self.start = self.ends = self.open_ended = 0
        self._stars = self._any = 0
        self._by_letter: dict[str, int] = {}
        bit = 1
        for pattern in patterns:
            self.start |= bit
            for at, letter in enumerate(pattern):
                if letter == "*":
                    self._stars |= bit
                    if at == len(pattern) - 1:
                        self.open_ended |= bit
                elif letter == "?":
                    self._any |= bit
                else:
                    self.letters.add(letter)
                    self._by_letter[letter] = self._by_letter.get(letter, 0) | bit
                bit <<= 1
            self.ends |= bit
            bit <<= 1
        self.start = self._past_stars(self.start)

    def after(self, reached: int, letter: str) -> int:
        """Where one more character leads; an empty one stands for those of no pattern."""
        taken = reached & (self._any | self._by_letter.get(letter, 0))
        return self._past_stars(reached & self._stars | taken << 1)

    def _past_stars(self, reached: int) -> int:
        return reached | (reached & self._stars) << 1  # no star follows another


def overlap(one: str, other: str) -> tuple[str, ...]:
    """Patterns of names that fit both: all such names, or fewer where that takes too many.

    >>> overlap("team-*", "*-prod")
    ('team-*-prod', 'team-prod')
    """
    if is_within(one, (other,)):
        return (one,)
    if is_within(other, (one,)):
        return (other,)
    if (len(one) + 1) * (len(other) + 1) > _LARGEST_TABLE:
        return ()
    found = _shared(_STARS.sub("*", one), _STARS.sub("*", other))
    # A name is compared in its composed form, so a pattern in another form fits none.
    composed = [each for each in found if unicodedata.is_normalized("NFC", each)]
    kept: list[str] = []
    for at, each in enumerate(composed):
        if not is_within(each, (*kept, *composed[at + 1 :])):
            kept.append(each)
    return tuple(sorted(kept))


def _shared(one: str, other: str) -> list[str]:
    """The patterns that a name fits which fits both, from the last characters to the first."""
    below = _last_row(other)  # of what follows the place in ``one``
    for at in range(len(one) - 1, -1, -1):
        row: list[list[str]] = [[] for _ in range(len(other) + 1)]
        row[-1] = below[-1] if one[at] == "*" else []
        for place in range(len(other) - 1, -1, -1):
            mine, theirs = one[at], other[place]
            after_mine, after_theirs, after_both = below[place], row[place + 1], below[place + 1]
            if mine == theirs == "*":  # the one that takes less ends first
                found = [*_led("*", after_mine), *_led("*", after_theirs)]
            elif mine == "*":  # it takes nothing, or one character more
                found = [*after_mine, *_led(theirs, after_theirs)]
            elif theirs == "*":
                found = [*after_theirs, *_led(mine, after_mine)]
            elif theirs in (mine, "?"):
                found = _led(mine, after_both)
            else:
                found = _led(theirs, after_both) if mine == "?" else []
            row[place] = sorted(set(found), key=lambda each: (len(each), each))[:_MOST_SHARED]
        below = row
    return below[0]


def _last_row(other: str) -> list[list[str]]:
    """What each rest of ``other`` shares with the empty pattern."""
    row: list[list[str]] = [[""] if set(other[at:]) <= {"*"} else [] for at in range(len(other))]
    return [*row, [""]]


def _led(letter: str, rests: Iterable[str]) -> list[str]:
    return [rest if letter == "*" and rest.startswith("*") else letter + rest for rest in rests]
