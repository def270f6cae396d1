"""The page of refusals leaves out none that the code can make, and names settings that exist."""

from __future__ import annotations

import re
from pathlib import Path

from docs.reference_pages import configuration
from docs.reference_pages.refusals import (
    GROUPS,
    OF_CAPACITY,
    OF_RESPONSES,
    SOURCE,
    page,
    sentences,
)
from headgate.config import ShieldRule
from headgate.reasons import Reason
from headgate.shields import RULES

SETTING = re.compile(r"`((?:limits|shields|auth)\.[a-z_]+)`")


def test_every_module_that_refuses_is_on_the_page() -> None:
    """A new one has to be given its reason and its cure."""
    told = {name for group in GROUPS for name in group.modules} | OF_RESPONSES | OF_CAPACITY
    refusing = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if re.search(r"(?:ambiguous|ProtocolError)\(\s*f?[\"']", path.read_text("utf-8"))
        and "testing" not in path.parts
    }
    assert refusing - told == set()


def test_each_group_has_sentences_and_each_says_what_to_do() -> None:
    for group in GROUPS:
        assert all((group.why, group.cure, group.settings))
        found = sentences(group.modules)
        assert len(found) == len(set(found)) > 0, group.title
        assert not any("{" in each.what for each in found)


def test_every_shield_and_every_code_is_there() -> None:
    text = page()
    for rule in ShieldRule:
        about = RULES[rule]
        assert about.reason is None or (f"| `{rule}` |" in text and about.cure in text)
    for reason in Reason:
        if reason.status >= 400 and reason.status != 499:
            assert f"| `{reason}` |" in text


def test_the_settings_exist() -> None:
    known = configuration.page()
    named = set(SETTING.findall(page()))
    assert named
    for each in named:
        section, _, name = each.partition(".")
        assert re.search(rf"`(?:{section}\.)?{name}`", known), each


def test_the_sentences_are_those_that_clients_receive() -> None:
    """A few as a client reads them."""
    text = page()
    for sentence in (
        "The path has an encoded slash (%2F)",
        "The Host field is missing",
        "The body is compressed, and MLflow reads no compressed JSON",
        "A field of the body is given more than once",
    ):
        assert f"| {sentence} |" in text


def test_the_page_is_linked() -> None:
    root = Path(__file__).parents[3]
    assert "docs/reference/refusals.md" in (root / "README.md").read_text("utf-8")
