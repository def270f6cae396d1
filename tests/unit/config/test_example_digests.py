"""Digests that are no key's."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from headgate.auth.keys.form import SCANNER_PATTERN, KeyForm, digest, form_of, mint
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


PROJECT = Path(__file__).parents[3]
PAGES = [
    PROJECT / "README.md",
    *sorted((PROJECT / "docs").rglob("*.md")),
    *sorted((PROJECT / "changelog.d").glob("*.md")),
    *(each for each in sorted((PROJECT / "examples").rglob("*")) if each.is_file()),
]
_DIGEST = re.compile(r"(?<![0-9a-fA-F])[0-9a-fA-F]{64}(?![0-9a-fA-F])")
_SCANNED = re.compile(SCANNER_PATTERN)


def test_every_key_and_digest_of_the_documentation_is_an_example() -> None:
    """Who copies one from a page must not open the gate to all who have read it."""
    found = []
    for page in PAGES:
        text = page.read_text("utf-8", errors="replace")
        found += [bytes.fromhex(each) for each in _DIGEST.findall(text)]
        found += [digest(each) for each in _SCANNED.findall(text)]
    assert hashlib.sha256(DOCUMENTED.encode()).digest() in found
    assert [each.hex() for each in found if not is_example(each)] == []
