"""What one worker knows of the others that have requests for the same upstream."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sharing:
    """Who shares an upstream.

    Attributes:
        workers: of all gates together, the one that asks among them.
        waiting: requests that the others hold, as of when they said so last.
    """

    workers: int = 1
    waiting: int = 0
