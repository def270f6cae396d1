"""Messages that pages list in tables are messages that the sources have."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.messages_of_pages import shows

ROOT: Final = Path(__file__).parents[3]
OF_OTHER_PROGRAMS: Final = {"no space left", "server login has been failing"}
"""What the operating system and PgBouncer say."""
_TABLE: Final = re.compile(
    r"^\| (Message|Reason \| Message) \|.*\n\|[- |]+\n((?:\|.*\n)+)", re.MULTILINE
)


def messages() -> Iterator[tuple[str, str]]:
    """Each page with each message of its tables."""
    for page in sorted((ROOT / "docs").rglob("*.md")):
        for columns, rows in _TABLE.findall(page.read_text(encoding="utf-8")):
            for row in rows.splitlines():
                cell = row.strip("| ").split(" | ")[columns.count("|")].strip()
                for quoted in re.findall(r'`([^`]+)`|"([^"]+)"', cell) or [(cell,)]:
                    yield str(page.relative_to(ROOT)), "".join(quoted)


@functools.cache
def texts() -> tuple[str, ...]:
    """Every text of the sources, a NUL in the place of what is put into it."""
    found = []
    for file in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (
                    each.value if isinstance(each, ast.Constant) else "\0" for each in node.values
                )
                found.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return tuple(found)


def test_pages_with_messages_are_found() -> None:
    assert len({page for page, _ in messages()}) >= 5
    assert len(list(messages())) > 30


@pytest.mark.parametrize(("page", "message"), list(messages()))
def test_a_message_is_one_of_headgate(page: str, message: str) -> None:
    said = any(shows(message, text) for text in texts())
    assert said or message in OF_OTHER_PROGRAMS, page
