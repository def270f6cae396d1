"""Digests that are no key's."""

from __future__ import annotations

import hashlib

import pytest

from headgate.auth.keys.form import KeyForm, digest, form_of, mint
from headgate.config.example_digests import DOCUMENTED, is_example


@pytest.mark.parametrize("text", ["", "\n", "changeme", "changeme\n", DOCUMENTED, "hg_…"])
def test_digests_of_what_is_in_manuals(text: str) -> None:
    assert is_example(hashlib.sha256(text.encode()).digest())


@pytest.mark.parametrize("pattern", ["0", "f", "ab", "dead", "deadbeef", "0123456789abcdef"])
def test_digests_that_fill_a_form(pattern: str) -> None:
    assert is_example(bytes.fromhex(pattern * (64 // len(pattern))))


def test_a_key_is_no_example() -> None:
    assert not is_example(digest(mint(bytes(31) + b"\x01")))
    assert form_of(DOCUMENTED) is KeyForm.MISTYPED
