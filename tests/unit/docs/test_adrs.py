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
