"""Token buckets in memory that all workers of a gate share, so that a rate holds for the gate.

The memory is a table of slots, each of two numbers: a tag, which is a hash of the bucket's name,
and the TAT (``gcra.py``).  A name may have any of the ``WINDOW`` slots from its home on; where none
is free, it takes the one whose bucket is full or nearest to that, which loses least.

Nothing is locked.  Workers that take from one bucket in the same fraction of a microsecond may
count two requests as one; that is far below one in a hundred.  The tag is compared at each use, so
no bucket is taken for another.
"""

from __future__ import annotations

import hashlib
from typing import Final

from headgate.limits.gcra import Rate

WINDOW: Final = 8
"""Slots that a name may have."""
CELL_BYTES: Final = 8
LOOK_SECONDS: Final = 10.0
"""After this time a bucket's slot is looked for anew, so that all workers come to use the same."""
_NO_SLOT: Final = -1


class Bucket:
    """A bucket as one worker knows it; see ``Buckets.bucket``."""

    __slots__ = ("at", "home", "look_at", "tag")

    def __init__(self, tag: float, home: int) -> None:
        self.tag: Final = tag
        self.home: Final = home
        self.at = _NO_SLOT
        self.look_at = 0.0


class Buckets:
    """A table of buckets.

    Args:
        cells: ``2 * slots`` numbers, all 0 at first, in memory that all workers share; the number
            of slots is a power of 2.
        key: random, and the same in all workers: nobody can choose names whose tags are equal.

    Raises:
        ValueError: the number of cells is not right.
    """

    def __init__(self, cells: memoryview[float], key: bytes) -> None:
        slots = len(cells) // 2
        if slots < WINDOW or slots & (slots - 1) or len(cells) != 2 * slots:
            raise ValueError(f"a table of {len(cells)} cells")
        self._cells: Final = cells
        self._slots: Final = slots
        self._key: Final = key

    def bucket(self, name: str) -> Bucket:
        """The bucket of a name; the same one in every worker."""
        digest = hashlib.blake2b(name.encode("utf-8"), digest_size=16, key=self._key).digest()
        # Whole numbers up to 2**53 are exact as floats, and cheaper to compare than larger ones.
        tag = float((int.from_bytes(digest[:8], "big") >> 11) + 1)
        return Bucket(tag, int.from_bytes(digest[8:], "big") % self._slots)

    def take(self, bucket: Bucket, rate: Rate, now: float) -> float:
        """Count one request, if that is within the rate; else nothing is counted.

        Args:
            bucket: whose.
            rate: that it is held to.
            now: in seconds, on a clock that all workers share.

        Returns:
            0.0 if it was counted, else the seconds after which one will be.
        """
        cells = self._cells
        at = bucket.at
        if now >= bucket.look_at:
            at = self._locate(bucket, now)
        else:
            tag: float = cells[at]
            if tag != bucket.tag:
                at = self._locate(bucket, now)
        tat: float = cells[at + 1]
        ahead = tat - now
        if ahead > rate.allowed:
            return ahead - rate.tolerance
        cells[at + 1] = (tat if ahead > 0.0 else now) + rate.interval
        return 0.0

    def _locate(self, bucket: Bucket, now: float) -> int:
        """Find the slot of a bucket, or give it one."""
        cells, mask = self._cells, self._slots - 1
        chosen, least = _NO_SLOT, 0.0
        for step in range(WINDOW):
            at = 2 * ((bucket.home + step) & mask)
            if cells[at] == bucket.tag:
                chosen = at
                break
            tat = cells[at + 1] if cells[at] else -1.0
            if chosen == _NO_SLOT or tat < least:
                chosen, least = at, tat
        else:
            cells[chosen + 1] = 0.0
            cells[chosen] = bucket.tag
        bucket.at = chosen
        bucket.look_at = now + LOOK_SECONDS
        return chosen
