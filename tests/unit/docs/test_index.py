"""Each page is found from the README by following links, and the index lists all kinds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.reference_pages.index import DOCS, KINDS, page

ROOT = DOCS.parent
_LINK = re.compile(r"\]\(<?([^)#>\s]+\.md)(?:#[^)]*)?>?\)")


def reached_from(start: Path) -> set[Path]:
    """All pages that links lead to, one after the other."""
    found, ahead = set[Path](), [start]
    while ahead:
        each = ahead.pop()
        if each in found or not each.exists():
            continue
        found.add(each)
        links = _LINK.findall(each.read_text(encoding="utf-8"))
        ahead += [(each.parent / link).resolve() for link in links if "://" not in link]
    return found


PAGES = sorted(DOCS.rglob("*.md"))
REACHED = reached_from(ROOT / "README.md")


@pytest.mark.parametrize("file", PAGES, ids=[str(each.relative_to(DOCS)) for each in PAGES])
def test_each_page_is_reached_from_the_readme(file: Path) -> None:
    assert file in REACHED


def test_each_folder_of_pages_is_a_kind() -> None:
    folders = {each.relative_to(DOCS).parts[0] for each in PAGES if each.parent != DOCS}
    assert folders == {kind.folder for kind in KINDS}


def test_the_index_names_each_page_or_the_list_of_its_folder() -> None:
    listed = {(DOCS / link).resolve() for link in _LINK.findall(page())}
    for file in PAGES:
        if file.parent != DOCS:
            assert listed & {file, file.parent / "README.md"}, file
