"""Token buckets in memory that all workers of a gate share, so that a rate holds for the gate.

The memory is a table of slots, each of two numbers: a tag, which is a hash of the bucket's name,
and the TAT (``gcra.py``).  A name may have any of the ``WINDOW`` slots from its home on, and takes
one whose bucket has been full for ``KEPT_SECONDS``.  Where there is none, the bucket is not shared.

Nothing is locked.  Workers that take from one bucket in the same fraction of a microsecond may
count two requests as one; that is far below one in a hundred.  No bucket is taken for another: a
worker looks for its slot anew after ``LOOK_SECONDS``, and nobody gives a slot away that was used
since.  Two workers may choose one slot for two names in the same instant, and one of them writes
last; so in the first ``SETTLING_SECONDS`` a worker looks each time.
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
KEPT_SECONDS: Final = 2 * LOOK_SECONDS
SETTLING_SECONDS: Final = 1.0
_NO_SLOT: Final = -1


class Bucket:
    """A bucket as one worker knows it; see ``Buckets.bucket``.

    Attributes:
        tag: what stands in its slot.
        home: the first of the slots that it may have.
        at: where its TAT is; negative if it has no slot.
        cell: its TAT, in its slot or, if it has none, in memory of its own.
        look_at: when its slot is looked for again.
        settled_at: when its slot is certainly its own.
    """

    __slots__ = ("at", "cell", "home", "look_at", "settled_at", "tag")

    def __init__(self, tag: float, home: int) -> None:
        self.tag: Final = tag
        self.home: Final = home
        self.at = _NO_SLOT
        self.cell = _own_cell()
        self.look_at = 0.0
        self.settled_at = 0.0


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
        if now >= bucket.look_at:
            self._locate(bucket, now)
        cell = bucket.cell
        tat: float = cell[0]
        ahead = tat - now
        if ahead > rate.allowed:
            return ahead - rate.tolerance
        cell[0] = (tat if ahead > 0.0 else now) + rate.interval
        return 0.0

    def _locate(self, bucket: Bucket, now: float) -> None:
        """Find the slot of a bucket, or give it one."""
        cells, mask = self._cells, self._slots - 1
        free = _NO_SLOT
        for step in range(WINDOW):
            at = 2 * ((bucket.home + step) & mask)
            tag: float = cells[at]
            if tag == bucket.tag:
                if bucket.at != at + 1:
                    bucket.at, bucket.cell = at + 1, cells[at + 1 : at + 2]
                # What follows moves the TAT to now at least, so that the slot is kept.
                bucket.look_at = now + LOOK_SECONDS if now >= bucket.settled_at else now
                return
            if free < 0:
                tat: float = cells[at + 1]
                if tag == 0.0 or tat < now - KEPT_SECONDS:
                    free = at
        bucket.look_at = now
        if free < 0:
            if bucket.at >= 0:
                bucket.at, bucket.cell = _NO_SLOT, _own_cell()
            return
        cells[free + 1] = bucket.cell[0] if bucket.at < 0 else 0.0
        cells[free] = bucket.tag
        bucket.at, bucket.cell = free + 1, cells[free + 1 : free + 2]
        bucket.settled_at = now + SETTLING_SECONDS


def _own_cell() -> memoryview[float]:
    """Memory for one number that nobody shares."""
    return memoryview(bytearray(CELL_BYTES)).cast("d")
