"""Values for CloudWatch, from the buckets of a histogram.

CloudWatch takes percentiles from single values, and the format has no way to say how often a value
occurred; a histogram knows only how many values lie in each bucket.  So values are made up that lie
as the buckets say: spread evenly within each, as Prometheus' ``histogram_quantile`` assumes.

What that is worth: a value lies in the same bucket as the one that it stands for, so "p99 is over
x" is exact where x is a bound of the buckets, and else wrong by at most the width of one.  Where
there are more than ``MOST`` values, ``MOST`` stand for all, with even distances in rank and both
ends: a percentile is then that of a rank which is off by at most 1 in ``MOST``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

MOST: Final = 500
"""Values of one series in a minute: five documents of about a kilobyte.  p99 lies between the true
p98.8 and p99.2."""
_LEAST_SHARE: Final = 0.01
"""Of a bucket's width that lies below a value, so that rounding leaves it above the bound."""


def spread(bounds: Sequence[float], buckets: Sequence[int], most: int = MOST) -> list[float]:
    """Values, in ascending order, that lie as ``buckets`` say; as many as there were, or ``most``.

    Args:
        bounds: the upper bounds of all buckets but the last, which has none: what lies there is
            said to be the highest bound.
        buckets: how many values lie in each.
        most: at least 2.
    """
    below = [0, *accumulate(buckets)]
    total = below[-1]
    count = min(total, most)
    found = []
    for at in range(count):
        rank = at if count == total else at * (total - 1) // (count - 1)
        bucket = bisect_right(below, rank) - 1
        found.append(_value(bounds, bucket, rank - below[bucket], buckets[bucket]))
    return found


def _value(bounds: Sequence[float], bucket: int, place: int, count: int) -> float:
    """The value at a place, from 0, of a bucket with ``count``."""
    if bucket == len(bounds):
        return bounds[-1]
    low = bounds[bucket - 1] if bucket else 0.0
    share = max(_LEAST_SHARE, (place + 0.5) / count)
    return float(f"{low + (bounds[bucket] - low) * share:.4g}")
