"""How the memory of creates is divided: a head, one column for each thing known of a place, a ring.

What is searched for, states and digests, stands in columns of its own, so that a search goes over a
few KiB, in C.  What another process may read while it is written is one byte or comes before one.
"""

from __future__ import annotations

import struct
from typing import Final

LAYOUT: Final = 2
"""Changes with every change of this module: a gate that finds another one starts afresh."""
PLACES: Final = 1024
"""Creates that are under way at MLflow, or in doubt, at one time."""
KEPT_BYTES: Final = 8 * 1024
"""The longest response that is kept, with its header lines: MLflow's have 1 to 2 KiB."""
GIVEN: Final = 65_536
"""How many creates are remembered whose response has been given out: those of a quarter of an hour,
at 70 a second."""
OWNERS: Final = 256
"""Processes that may use the memory at one time: the workers of a gate, and of the next one."""
DIGEST_BYTES: Final = 32
SHORT_BYTES: Final = 12
"""Of a digest, where nothing depends on the rest."""
ID_BYTES: Final = 40
"""MLflow's ids of runs have 32 characters, those of logged models 34."""

HEAD: Final = struct.Struct("<8sQQ")
"""The layout, the next serial number, and how many were ever given out."""
MAGIC: Final = b"creates%d" % LAYOUT
FACTS: Final = struct.Struct(f"<QQQdHHI{ID_BYTES}s")
"""Serial number, owner, claimer, when it was sent; status, bytes of lines, bytes of all; id."""
GIVEN_ENTRY: Final = struct.Struct(f"<{SHORT_BYTES}s{SHORT_BYTES}sd")
"""The first bytes of the digest and of the SHA-256 of the id, and when it was given out."""
REPORT: Final = struct.Struct("<d")
"""Until when a process has seen all that its clients did."""

OWNERS_AT: Final = 64
REPORTS_AT: Final = OWNERS_AT + 8 * OWNERS
STATES_AT: Final = REPORTS_AT + REPORT.size * OWNERS
DOUBTS_AT: Final = STATES_AT + PLACES
DIGESTS_AT: Final = DOUBTS_AT + PLACES
FACTS_AT: Final = DIGESTS_AT + PLACES * DIGEST_BYTES
GIVEN_AT: Final = FACTS_AT + PLACES * FACTS.size
RESPONSES_AT: Final = GIVEN_AT + GIVEN * GIVEN_ENTRY.size
SIZE: Final = RESPONSES_AT + PLACES * KEPT_BYTES
"""10.1 MiB, of which the kernel takes only what has been written."""
