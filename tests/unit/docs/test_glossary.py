"""The glossary is in order, and each of its terms leads to code that exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reference" / "glossary.md"
ROW = re.compile(r"^\| ([^|]+) \| ([^|]+) \| ([^|]*?) ?\|$", re.MULTILINE)
LINK = re.compile(r"\[`([\w.]+)`\]\((\S+)\)")
ROWS = [
    (term, meaning, where)
    for term, meaning, where in ROW.findall(PAGE.read_text("utf-8"))
    if term not in ("Term", "---")
]
LINKS = [(term, *LINK.findall(where)[0]) for term, _, where in ROWS if where]


def names(module: Path) -> set[str]:
    """What a module defines at its top level."""
    found: set[str] = set()
    for node in ast.parse(module.read_text("utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
    return found


def test_the_terms_are_sorted_and_each_is_there_once() -> None:
    terms = [term for term, _, _ in ROWS]
    assert len(terms) > 50
    assert terms == sorted(set(terms))


def test_each_meaning_is_one_or_two_sentences() -> None:
    for term, meaning, _ in ROWS:
        assert meaning.endswith("."), term
        assert len(re.findall(r"\.(?:\s|$)", meaning)) <= 2, term


@pytest.mark.parametrize(("term", "name", "link"), LINKS, ids=[link[0] for link in LINKS])
def test_a_term_leads_to_code_that_exists(term: str, name: str, link: str) -> None:
    path = (PAGE.parent / link).resolve()
    assert path.exists(), f"{term}: there is no {link}"
    module = path.relative_to(ROOT / "src" / "headgate").with_suffix("")
    dotted = "" if module.name == "__init__" else ".".join(module.parts)
    if name != dotted:
        prefix, _, last = name.rpartition(".")
        assert prefix == dotted, f"{term}: {name} is not in {link}"
        assert last in names(path), f"{term}: {link} has no {last}"
