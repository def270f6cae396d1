"""The form of an API key."""

from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from headgate.auth.keys.form import RANDOM_BYTES, SCANNER_PATTERN, KeyForm, digest, form_of, mint

random_bytes = st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES)
keys = random_bytes.map(mint)
positions = st.integers(0, len(mint(bytes(RANDOM_BYTES))) - 1)
CHECKSUM_START = 3 + 43


@given(keys)
def test_a_minted_key_has_the_promised_form(key: str) -> None:
    assert re.fullmatch(r"hg_[0-9A-Za-z]{43}[0-9A-Za-z]{6}", key)
    assert form_of(key) is KeyForm.WELL_FORMED


@given(random_bytes, random_bytes)
def test_all_random_bits_reach_the_key(one: bytes, other: bytes) -> None:
    """Two keys are equal only if their random bits are."""
    assert (mint(one) == mint(other)) == (one == other)


def test_the_largest_and_the_smallest_number_fit() -> None:
    assert len(mint(b"\xff" * RANDOM_BYTES)) == len(mint(bytes(RANDOM_BYTES))) == 52


def test_the_form_does_not_drift() -> None:
    """Keys already handed out stay well formed: this one is computed by hand, not by ``mint``.

    The checksum is CRC-32 of ``hg_`` and 43 zeros, 0x4BCD2825, in base 62.
    """
    assert mint(bytes(RANDOM_BYTES)) == "hg_" + "0" * 43 + "1O44ij"


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_only_256_bits_make_a_key(size: int) -> None:
    with pytest.raises(ValueError, match=f"32 random bytes, not {size}"):
        mint(bytes(size))


@given(keys, positions, st.characters())
def test_every_wrong_character_is_found(key: str, position: int, character: str) -> None:
    """It is a typo as long as the prefix is whole, and no Headgate key at all otherwise."""
    assume(character != key[position])
    damaged = key[:position] + character + key[position + 1 :]
    assert form_of(damaged) is (KeyForm.FOREIGN if position < 3 else KeyForm.MISTYPED)


@given(keys, positions, positions)
def test_every_swap_of_two_characters_is_found(key: str, one: int, other: int) -> None:
    assume(key[one] != key[other])
    characters = list(key)
    characters[one], characters[other] = characters[other], characters[one]
    expected = KeyForm.FOREIGN if min(one, other) < 3 else KeyForm.MISTYPED
    assert form_of("".join(characters)) is expected


@given(keys, st.integers(3, 51))
def test_a_key_cut_short_is_a_typo(key: str, length: int) -> None:
    assert form_of(key[:length]) is KeyForm.MISTYPED


@pytest.mark.parametrize("suffix", ["0", "\n", " ", "é"])
def test_nothing_may_follow_a_key(suffix: str) -> None:
    assert form_of(mint(bytes(RANDOM_BYTES)) + suffix) is KeyForm.MISTYPED


@pytest.mark.parametrize("text", ["", "hg", "HG_", "hg-", " hg_", "ghp_0123456789", "password"])
def test_other_texts_are_foreign(text: str) -> None:
    assert form_of(text) is KeyForm.FOREIGN


@given(st.text())
def test_no_text_is_fine_by_chance(text: str) -> None:
    assert form_of(text) is not KeyForm.WELL_FORMED


@given(keys)
def test_the_digest_is_plain_sha_256(key: str) -> None:
    assert digest(key) == hashlib.sha256(key.encode("ascii")).digest()


@given(keys, st.sampled_from(["", " ", '"', "=", ":", "\n", "/"]), st.sampled_from(["", '"', "\n"]))
def test_a_scanner_finds_exactly_the_key(key: str, before: str, after: str) -> None:
    found = re.findall(SCANNER_PATTERN, f"token{before or ' '}{key}{after} end")
    assert found == [key]
