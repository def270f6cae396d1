"""The index of all pages, by kind (https://diataxis.fr), made from their titles."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from docs.reference_pages.markdown import GENERATED

DOCS: Final = Path(__file__).parents[1]


class Kind(NamedTuple):
    """One kind of page: its folder, its heading, and what such pages are for."""

    folder: str
    heading: str
    purpose: str


KINDS: Final = (
    Kind("tutorial", "Tutorial", "Learn the gate by running one, step by step."),
    Kind("how-to", "How-to guides", "Reach one goal with a gate that you run or use."),
    Kind(
        "reference", "Reference", "Look up names, values and defaults, mostly made from the code."
    ),
    Kind("explanation", "Explanation", "Understand how it works, and why it is built so."),
    Kind("runbooks", "Runbooks", "Act in an incident; the list is by what you see."),
    Kind("adr", "Decisions", "Read what was decided, with the reasons."),
)
_LISTS_ITSELF: Final = "README.md"
"""A folder with this page has a list of its own."""
_INTRODUCTION: Final = """# Documentation

All pages, by kind. The [README](../README.md#documentation) lists them by what you want to do.
"""


def page() -> str:
    """The whole page."""
    return GENERATED + _INTRODUCTION + "".join(map(_section, KINDS))


def _section(kind: Kind) -> str:
    return f"\n## {kind.heading}\n\n{kind.purpose}\n\n" + "".join(_entries(DOCS / kind.folder))


def _entries(folder: Path) -> Iterator[str]:
    own_list = folder / _LISTS_ITSELF
    pages = [own_list] if own_list.exists() else sorted(folder.glob("*.md"), key=title)
    for each in pages:
        yield f"- [{title(each)}]({each.relative_to(DOCS)})\n"


def title(file: Path) -> str:
    """The title of a page."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith("# ")).removeprefix("# ")
