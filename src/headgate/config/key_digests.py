"""Keys that the configuration brings by their SHA-256: the first one, and those for emergencies."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field

from headgate.config.example_digests import is_example
from headgate.config.section import Section
from headgate.errors import HeadgateError, Problem

LONGEST_EMERGENCY: Final = 86_400.0
"""Seconds from now within which a key for an emergency has to end."""
_LEEWAY: Final = 60.0
"""The clock of the gate may be behind that of the machine where the end was written."""
_LONGEST_REASON: Final = 500
_HEX: Final = frozenset("0123456789abcdef")


def checked_digest(text: str) -> str:
    """The SHA-256 of a key, as 64 hexadecimal digits.

    Raises:
        ValueError: it is none, or that of an example.
    """
    text = text.strip().lower().removeprefix("sha256:")
    if len(text) != 64 or not set(text) <= _HEX:
        raise ValueError(
            "must be the SHA-256 of a key, 64 hexadecimal digits: headgate keys make prints both"
        )
    if is_example(bytes.fromhex(text)):
        raise ValueError("is the SHA-256 of an example, which everybody knows; make your own key")
    return text


def _moment(value: object) -> object:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            value = None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("must be a time with its zone, such as 2027-03-01T18:00:00Z")
    return value


def _reason(text: str) -> str:
    text = unicodedata.normalize("NFC", text.strip())
    if not 1 <= len(text) <= _LONGEST_REASON or not text.isprintable():
        raise ValueError(f"must be one line of text, of 1 to {_LONGEST_REASON} characters")
    return text


Digest = Annotated[str, AfterValidator(checked_digest)]


class BreakGlass(Section):
    """A key for an emergency: it may do everything, whatever becomes of the key store."""

    sha256: Digest = Field(
        description="SHA-256 of the key, 64 hexadecimal digits; `headgate keys make` makes both."
    )
    until: Annotated[datetime, BeforeValidator(_moment)] = Field(
        description="When the key ends, such as `2027-03-01T18:00:00Z`: at most 24 hours ahead."
    )
    reason: Annotated[str, AfterValidator(_reason)] = Field(
        description="Why there is such a key; the event log repeats it."
    )

    @property
    def ends(self) -> float:
        """When the key ends, in seconds since the epoch."""
        return self.until.timestamp()


def read_digest(file: Path) -> str:
    """The SHA-256 in a file.

    Raises:
        HeadgateError: the file cannot be read, or has none.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(1024)
        return checked_digest(content.decode("ascii"))
    except OSError as error:
        raise HeadgateError(f"{file} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise HeadgateError(f"{file} must have a SHA-256, 64 hexadecimal digits") from None
    except ValueError as error:
        raise HeadgateError(f"{file}: {error}") from None


def problems(
    first_key: str | None, first_key_file: Path | None, break_glass: Collection[BreakGlass]
) -> Iterator[Problem]:
    """What is wrong with the digests of a configuration beside their form."""
    if first_key_file is not None:
        if first_key is not None:
            yield Problem(
                "auth.first_key_sha256_file", "is given together with auth.first_key_sha256"
            )
        try:
            read_digest(first_key_file)
        except HeadgateError as error:
            yield Problem("auth.first_key_sha256_file", str(error))
    seen = set[str]()
    for at, each in enumerate(break_glass):
        if each.ends > time.time() + LONGEST_EMERGENCY + _LEEWAY:
            yield Problem(
                f"auth.break_glass.{at}.until",
                "is more than 24 hours ahead; a key for an emergency ends sooner",
            )
        if each.sha256 in seen:
            yield Problem(f"auth.break_glass.{at}.sha256", "is there twice")
        seen.add(each.sha256)


def ended(break_glass: Collection[BreakGlass]) -> Iterator[Problem]:
    """Each key for an emergency that has ended, which does nothing any longer."""
    for at, each in enumerate(break_glass):
        if each.ends <= time.time():
            end = each.until.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            yield Problem(f"auth.break_glass.{at}", f"ended at {end}; remove it")
