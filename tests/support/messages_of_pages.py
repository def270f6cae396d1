"""Messages as a page of the documentation shows them: ``…`` stands for what differs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_HEADING = re.compile(r"^#{2,4} (.+)$", re.MULTILINE)
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One block of code, its language, and the heading that it stands under."""

    heading: str
    language: str
    text: str


def blocks(page: str) -> Iterator[Block]:
    """The blocks of code of a page, in order."""
    headings = [(each.start(), each[1]) for each in _HEADING.finditer(page)]
    for block in _BLOCK.finditer(page):
        above = [name for start, name in headings if start < block.start()]
        yield Block(above[-1] if above else "", block[1], block[2])


def shows(line: str, output: str) -> bool:
    """Whether an output has all parts of a line of the page, in this order.

    Line ends of the output count as spaces, since a page shows a message in one line.
    """
    rest = " ".join(output.split())
    for part in filter(None, (each.strip() for each in line.split("…"))):
        _, found, rest = rest.partition(" ".join(part.split()))
        if not found:
            return False
    return True
