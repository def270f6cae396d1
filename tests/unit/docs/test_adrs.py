"""The records of decisions."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).parents[3] / "docs" / "adr"
RECORDS = sorted(FOLDER.glob("[0-9]*.md"))


def test_each_says_what_was_decided_and_what_follows() -> None:
    for file in RECORDS:
        text = file.read_text(encoding="utf-8")
        assert re.search(r"^#+ .*Decision|\*\*Decision", text, re.MULTILINE), file.name
        assert re.search(r"^#+ .*Consequences|\*\*Consequences", text, re.MULTILINE), file.name


def test_each_has_a_number_of_its_own_and_names_it() -> None:
    numbers = [file.name.partition("-")[0] for file in RECORDS]
    assert sorted({*numbers}) == numbers
    for file, number in zip(RECORDS, numbers, strict=True):
        title = file.read_text(encoding="utf-8").partition("\n")[0]
        assert title.startswith((f"# {int(number)}. ", f"# {number}. ")), (file.name, title)
