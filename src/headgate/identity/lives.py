"""How long keys may live; times are seconds since the epoch."""

from __future__ import annotations

import math
from typing import Final

from headgate.config.auth import KeyRules
from headgate.identity.errors import Invalid
from headgate.stores.records import KeyRecord

BREAK_GLASS_LIFE: Final = 86_400.0
"""The longest life in seconds of a key for an emergency."""
_MOST: Final = 100 * 365 * 86_400.0


def first_end(asked: float | None, rules: KeyRules, now: float) -> int | None:
    """The end of a new key.

    Args:
        asked: the one that was asked for; ``None``: none was, ``inf``: never.
        rules: of this gate.
        now: when it is created.

    Raises:
        Invalid: it lies in the past, or further off than the rules allow.
    """
    if asked is not None:
        return checked_end(asked, rules, now, now)
    lives = [life for life in (rules.default_life, rules.maximum_life) if life is not None]
    return int(now + min(lives)) if lives else None


def next_end(old: KeyRecord, rules: KeyRules, now: float) -> int | None:
    """The end of a key that replaces ``old``: it lives as long, but within the rules."""
    if old.expires_at is None:
        return first_end(None, rules, now)
    life = float(old.expires_at - old.created_at)
    return int(now + (life if rules.maximum_life is None else min(life, rules.maximum_life)))


def checked_end(asked: float, rules: KeyRules, created: float, now: float) -> int | None:
    """The end that was asked for a key; ``inf``: never.

    Raises:
        Invalid: it lies in the past, or further from ``created`` than the rules allow.
    """
    _require_later(asked, now)
    most = rules.maximum_life
    if most is not None and asked - created > most:
        raise Invalid(
            f"a key lives at most {in_words(most)} here (auth.keys.maximum_life); "
            "choose an earlier end",
            "expires_at",
        )
    return None if asked == math.inf else earlier_end(asked, now)


def earlier_end(asked: float, now: float) -> int:
    """An end that is no later than the one that a key has.

    Raises:
        Invalid: it lies in the past, or 100 years away.
    """
    _require_later(asked, now)
    if asked - now > _MOST:
        raise Invalid("the end of the key is more than 100 years away", "expires_at")
    return int(asked)


def in_words(seconds: float) -> str:
    """A time span for people.

    >>> in_words(7 * 86_400)
    '7 days'
    """
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length and seconds % length == 0:
            number = int(seconds // length)
            return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
    return "1 second" if seconds == 1 else f"{seconds:g} seconds"


def _require_later(asked: float, now: float) -> None:
    if math.isnan(asked) or asked <= now:
        raise Invalid("the end of the key lies in the past; to end a key, revoke it", "expires_at")
