"""Memory that the workers of a gate share, made before they are forked."""

from __future__ import annotations

import mmap
import secrets
from typing import Final

from headgate.limits import SharedBuckets
from headgate.limits.buckets import CELL_BYTES

PRINCIPAL_SLOTS: Final = 32_768
"""Buckets of principals, one for each class of requests with a rate; 512 KiB."""
STRANGER_SLOTS: Final = 8_192
"""Buckets of addresses from which an authentication failed; 128 KiB."""


def shared_buckets() -> SharedBuckets:
    """Buckets, all full, for every process that is forked after this."""
    return SharedBuckets(
        _numbers(2 * PRINCIPAL_SLOTS), _numbers(2 * STRANGER_SLOTS), secrets.token_bytes(32)
    )


def _numbers(count: int) -> memoryview[float]:
    return memoryview(mmap.mmap(-1, count * CELL_BYTES)).cast("d")
