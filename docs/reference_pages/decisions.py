"""The index of the records of decisions, from their titles."""

from __future__ import annotations

import re
from pathlib import Path

from docs.reference_pages.markdown import GENERATED, table

FOLDER = Path(__file__).parents[1] / "adr"
_HEAD = """# Decisions

Decisions that shape the code, each with its context and its consequences. A new record takes a
free number near those of its subject. One that no longer holds stays, and names its successor at
the top.

"""


def page() -> str:
    """The page."""
    rows = [
        (f"[{file.name[:4]}]({file.name})", _title(file))
        for file in sorted(FOLDER.glob("[0-9]*.md"))
    ]
    return GENERATED + _HEAD + table(("Number", "Decision"), rows)


def _title(file: Path) -> str:
    """The heading without its number."""
    heading = file.read_text(encoding="utf-8").partition("\n")[0]
    return re.sub(r"^#\s+(ADR\s+)?(\d+\s*[.:—-]?\s+)?", "", heading)
