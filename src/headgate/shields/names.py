"""Names that would be taken for another one after decoding, or shown as another one."""

from __future__ import annotations

import re
from typing import Final

_UNSAFE: Final = re.compile(
    r"""%[0-9A-Fa-f]{2}
    |[\x00-\x1f\x7f-\x9f]
    # these turn the direction of writing, or end the line
    |[\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]""",
    re.VERBOSE,
)


def is_unsafe_name(name: str) -> bool:
    """Whether a new name holds a percent-escape, or a character that nobody sees."""
    return _UNSAFE.search(name) is not None
