"""Memory that the workers of a gate share, made before they are forked."""

from __future__ import annotations

import secrets
from typing import Final

from headgate.limits import SharedBuckets
from headgate.limits.buckets import CELL_BYTES
from headgate.runtime.lasting_memory import LastingMemory

PRINCIPAL_SLOTS: Final = 32_768
"""Buckets of principals, one for each class of requests with a rate; 512 KiB."""
STRANGER_SLOTS: Final = 8_192
"""Buckets of addresses from which an authentication failed; 128 KiB."""
NAME: Final = "rates-1"
"""Of the memory with all buckets; the number is that of its layout."""
_KEY_BYTES: Final = 32
_PRINCIPALS: Final = 64
"""Where the buckets of principals begin, after the key of the tags."""
_STRANGERS: Final = _PRINCIPALS + 2 * PRINCIPAL_SLOTS * CELL_BYTES
_SIZE: Final = _STRANGERS + 2 * STRANGER_SLOTS * CELL_BYTES


def shared_buckets(memory: LastingMemory) -> SharedBuckets:
    """Buckets for every process that is forked after this: those of the gate before, or full ones.

    Args:
        memory: of the gate.

    Raises:
        OSError: no memory is left.
    """
    numbers = memoryview(memory.mapped(NAME, _SIZE))
    if not any(numbers[:_KEY_BYTES]):
        numbers[:_KEY_BYTES] = secrets.token_bytes(_KEY_BYTES)
    return SharedBuckets(
        numbers[_PRINCIPALS:_STRANGERS].cast("d"),
        numbers[_STRANGERS:].cast("d"),
        bytes(numbers[:_KEY_BYTES]),
    )
