"""Times and sizes, for a person."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

_UNITS: Final = ("bytes", "KiB", "MiB", "GiB", "TiB")


def utc(at: float) -> str:
    """A time, such as ``2026-11-29T10:15:07Z``, to the second below."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def from_utc(text: str) -> float:
    """The time that ``utc`` has written, in seconds since the epoch.

    Raises:
        ValueError: it is not such a time.
    """
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()


def size_in_words(size: float) -> str:
    """Bytes, in the unit in which they are short."""
    for unit in _UNITS:
        if size < 1024 or unit == _UNITS[-1]:
            break
        size /= 1024
    return f"{size:.0f} {unit}" if unit == _UNITS[0] else f"{size:.1f} {unit}"


def seconds_in_words(seconds: float) -> str:
    """A length of time."""
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds:.0f} s"
