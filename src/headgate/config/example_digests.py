"""SHA-256 digests that are no key's: of examples in manuals, of nothing, and of padding.

A person who copies an example instead of their own digest would otherwise let everybody in who has
read the same page.
"""

from __future__ import annotations

import hashlib
from typing import Final

DIGEST_BYTES: Final = 32
DOCUMENTED: Final = "hg_ExampleKeyOfTheDocumentationWhichNoGateAccepts0000000"
"""The key whose digest the project's pages show.  Its checksum is wrong, so it is none."""

_TEXTS: Final = (
    "",
    DOCUMENTED,
    "hg_",
    "hg_...",
    "hg_…",
    "<key>",
    "KEY",
    "key",
    "changeme",
    "secret",
    "password",
    "test",
    "hello",
    "hello world",
    "example",
)
_EXAMPLES: Final = frozenset(
    hashlib.sha256(text.encode()).digest() for each in _TEXTS for text in (each, f"{each}\n")
)


def is_example(digest: bytes) -> bool:
    """Whether a SHA-256 is one that anybody could know the secret of, or none at all.

    >>> is_example(hashlib.sha256(b"changeme").digest())
    True
    """
    # Such as 0000…, abab… and 0123456789abcdef0123…, as they are typed to fill a form.
    text = digest.hex()
    for length in (1, 2, 4, 8, 16):
        if text == text[:length] * (len(text) // length):
            return True
    return digest in _EXAMPLES
