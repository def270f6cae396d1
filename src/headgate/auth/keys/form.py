"""The form of an API key: ``hg_``, 256 random bits, and a checksum.

    hg_ <43 base62 characters: the random bits> <6 base62 characters: CRC-32 of all before>

The fixed prefix lets a secret scanner find a leaked key with ``SCANNER_PATTERN``.  The checksum
lets it, and the gate, tell a real key from a look-alike without asking any database: every
single wrong character and every two swapped characters of the random part are found, any other
damage with probability 1 - 2**-32.  GitHub's tokens have the same form
(https://github.blog/engineering/behind-githubs-new-authentication-token-formats/).
"""

from __future__ import annotations

import enum
import hashlib
import re
import string
import zlib

PREFIX = "hg_"
RANDOM_BYTES = 32
SCANNER_PATTERN = r"\bhg_[0-9A-Za-z]{49}\b"
"""What to give a secret scanner; works with RE2, PCRE and Python's ``re``."""

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM_LENGTH = 43  # 62**43 is just over 2**256
_CHECKSUM_LENGTH = 6  # 62**6 is over 2**32
_FORM = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_RANDOM_LENGTH + _CHECKSUM_LENGTH}}}")


class KeyForm(enum.Enum):
    """What a text is, judged by its form alone."""

    WELL_FORMED = "well-formed"
    MISTYPED = "mistyped"  # meant as a Headgate key, but cut short or mistyped
    FOREIGN = "foreign"  # not a Headgate key at all


def mint(random_bytes: bytes) -> str:
    """Write 256 random bits as a key.

    Raises:
        ValueError: there are not exactly ``RANDOM_BYTES`` bytes.
    """
    if len(random_bytes) != RANDOM_BYTES:
        raise ValueError(f"a key is made of {RANDOM_BYTES} random bytes, not {len(random_bytes)}")
    body = PREFIX + _base62(int.from_bytes(random_bytes), _RANDOM_LENGTH)
    return body + _checksum(body)


def form_of(text: str) -> KeyForm:
    """Tell a well-formed key from a damaged one and from anything else."""
    if not text.startswith(PREFIX):
        return KeyForm.FOREIGN
    if _FORM.fullmatch(text) is None:
        return KeyForm.MISTYPED
    body, checksum = text[:-_CHECKSUM_LENGTH], text[-_CHECKSUM_LENGTH:]
    return KeyForm.WELL_FORMED if _checksum(body) == checksum else KeyForm.MISTYPED


def digest(key: str) -> bytes:
    """The SHA-256 of a key: the only form of it that is stored or compared.

    A slow key derivation function protects secrets that can be guessed.  256 random bits cannot,
    at any speed, so the fast hash is as safe, and a flood of wrong keys costs the gate nothing.
    """
    return hashlib.sha256(key.encode()).digest()


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    characters = []
    for _ in range(length):
        number, digit = divmod(number, len(_ALPHABET))
        characters.append(_ALPHABET[digit])
    return "".join(reversed(characters))
