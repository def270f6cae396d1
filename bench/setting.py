"""How thoroughly to measure, and where to keep files meanwhile."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path


class CannotMeasureError(Exception):
    """A benchmark cannot measure here what it is for; the message says why."""


@dataclass(frozen=True)
class Setting:
    """What all benchmarks of one run share.

    ``quick``: smaller amounts, to see that everything works; the figures say little.
    ``cores``: those of the machine that may be used.
    """

    folder: Path
    rounds: int
    quick: bool
    cores: Sequence[int]

    @property
    def proxy_cores(self) -> Sequence[int]:
        """The core of the proxy that is measured: one to itself, unless there is but one at all.

        So load and proxy do not push each other around.  It is the same for every proxy.
        """
        return self.cores[:1]

    @property
    def other_cores(self) -> Sequence[int]:
        """The cores of the load and of the server behind the proxies."""
        return self.cores[1:] or self.cores

    def within(self, name: str) -> Setting:
        """The same, with a folder ``name`` of its own."""
        folder = self.folder / name
        folder.mkdir()
        return replace(self, folder=folder)

    def choose(self, full: int, quick: int) -> int:
        """An amount: ``full``, or in a quick run ``quick``."""
        return quick if self.quick else full

    def say(self, line: str) -> None:
        """Tell who waits what is going on."""
        sys.stderr.write(f"bench: {line}\n")
        sys.stderr.flush()
