"""Checks the fragments of the changelog, and moves them into it at a release.

    python -m tools.changelog check
    python -m tools.changelog release VERSION [DATE]

A fragment is a file ``changelog.d/NAME.READER.KIND.md`` with one entry, as prose without a bullet;
``changelog.d/README.md`` says how to write one.
"""

from __future__ import annotations

import datetime as dt
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
READERS = ("operator", "user", "developer")
KINDS = ("added", "changed", "deprecated", "removed", "fixed", "security")
MAX_LINE = 110
_NAME = re.compile(rf"[a-z0-9-]+\.({'|'.join(READERS)})\.({'|'.join(KINDS)})\.md")
_UNRELEASED = "## [Unreleased]"


@dataclass(frozen=True)
class Fragment:
    """One entry of the changelog."""

    file: Path
    reader: str
    kind: str
    text: str

    @property
    def entry(self) -> str:
        """The entry as an item of a list."""
        return "- " + f"**{self.reader.title()}s.** {self.text}".replace("\n", "\n  ") + "\n"


class ChangelogError(Exception):
    """The changelog or a fragment is not as it should be; the message lists all problems."""


def read(root: Path = ROOT) -> list[Fragment]:
    """All fragments, by reader and then by name.

    Raises:
        ChangelogError: a fragment is not well-formed.
    """
    found, problems = [], []
    for file in sorted((root / "changelog.d").glob("*")):
        if file.name == "README.md":
            continue
        named = _NAME.fullmatch(file.name)
        text = file.read_text(encoding="utf-8").strip()
        problems += [f"{file.name}: {problem}" for problem in _problems(text)]
        if named is None:
            kinds = f"{'|'.join(READERS)}.{'|'.join(KINDS)}"
            problems.append(f"{file.name}: it is not named like NAME.{kinds}.md")
        else:
            found.append(Fragment(file, named.group(1), named.group(2), text))
    if problems:
        raise ChangelogError("\n".join(problems))
    return sorted(found, key=lambda each: (READERS.index(each.reader), each.file.name))


def release(version: str, date: str, root: Path = ROOT) -> None:
    """Turn what is unreleased, and all fragments, into the section of a release.

    Raises:
        ChangelogError: there is nothing to release, or the version is there already.
    """
    changelog = root / "CHANGELOG.md"
    text = changelog.read_text(encoding="utf-8")
    if f"## [{version}]" in text:
        raise ChangelogError(f"CHANGELOG.md: there is a section of {version} already")
    before, heading, rest = text.partition(_UNRELEASED)
    if not heading:
        raise ChangelogError(f"CHANGELOG.md: there is no {_UNRELEASED}")
    own, next_heading, after = rest.partition("\n## ")
    fragments = read(root)
    body = _merged(own, fragments)
    if not body:
        raise ChangelogError("there is nothing to release")
    section = f"{_UNRELEASED}\n\n## [{version}] - {date}\n\n{body}"
    changelog.write_text(before + section + next_heading + after, encoding="utf-8")
    for each in fragments:
        each.file.unlink()


def _problems(text: str) -> list[str]:
    problems = []
    if not text:
        problems.append("it is empty")
    if text.startswith(("-", "*", "#")):
        problems.append("it begins with a bullet or a heading; write plain prose")
    if any(len(line) > MAX_LINE for line in text.splitlines()):
        problems.append(f"a line is longer than {MAX_LINE} characters")
    return problems


def _merged(own: str, fragments: Sequence[Fragment]) -> str:
    """The sections by kind: what stands in the changelog, then the fragments."""
    sections: dict[str, str] = {}
    for part in own.split("\n### ")[1:]:
        kind, _, entries = part.partition("\n")
        sections[kind.strip()] = entries.strip("\n") + "\n"
    for each in fragments:
        kind = each.kind.title()
        sections[kind] = sections.get(kind, "") + each.entry
    order = [*(kind.title() for kind in KINDS), *sections]
    kinds = sorted(sections, key=order.index)
    return "\n".join(f"### {kind}\n\n{sections[kind]}" for kind in kinds)


def main(arguments: Sequence[str]) -> int:
    """Carry out the command; the exit code."""
    try:
        match arguments:
            case ["check"]:
                read()
            case ["release", version]:
                release(version, dt.datetime.now(dt.UTC).date().isoformat())
            case ["release", version, date]:
                release(version, date)
            case _:
                sys.stderr.write("usage: python -m tools.changelog check|release VERSION [DATE]\n")
                return 2
    except ChangelogError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
