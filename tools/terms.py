"""Finds words that the project does not use, and names the standard ones.

``python -m tools.terms [PATH ...]`` reads Python and Markdown files (by default all that git knows)
and prints one line for each word of ``docs/terms.toml`` that it finds; exit code 1 if there is any.
Identifiers, comments, docstrings, messages and prose count alike, phrases that go over the end of
a line too.
"""

from __future__ import annotations

import fnmatch
import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.source_files import source_files

ROOT = Path(__file__).parents[1]
LIST = ROOT / "docs" / "terms.toml"
_GAP = r"""[\s#"'`*>_f-]+"""
"""What may stand between two words: the end of a line of a comment, of a string or of a name."""


@dataclass(frozen=True)
class Term:
    """A phrase that is not used, and what is written instead."""

    banned: re.Pattern[str]
    use: str
    allowed: tuple[re.Pattern[str], ...]
    """Longer phrases in which it stands for something else."""
    skip: tuple[str, ...]
    """Files in which it is the right word, as patterns of their paths."""

    def find(self, path: str, text: str) -> Iterator[tuple[int, str]]:
        """Offsets and words of all uses in ``text``, the content of ``path``."""
        if any(fnmatch.fnmatch(path, each) for each in self.skip):
            return
        spared = [match.span() for each in self.allowed for match in each.finditer(text)]
        for match in self.banned.finditer(text):
            if not any(start <= match.start() and match.end() <= end for start, end in spared):
                yield match.start(), " ".join(match.group().split())


def read(file: Path = LIST) -> tuple[list[Term], list[str]]:
    """The terms, and patterns of the files that are not looked at."""
    with file.open("rb") as opened:
        content = tomllib.load(opened)
    terms = [
        Term(
            _pattern(entry["banned"]),
            entry["use"],
            tuple(_pattern(each) for each in entry.get("allow", ())),
            tuple(entry.get("skip", ())),
        )
        for entry in content["term"]
    ]
    return terms, content["skip"]


def check(files: Sequence[Path], terms: Sequence[Term], root: Path = ROOT) -> list[str]:
    """One line for each use of a banned word in ``files``."""
    found = []
    for file in files:
        text = file.read_text(encoding="utf-8")
        path = str(file.relative_to(root)) if file.is_relative_to(root) else str(file)
        for term in terms:
            for offset, words in term.find(path, text):
                line = text.count("\n", 0, offset) + 1
                found.append(f'{path}:{line}: "{words}"; write instead: {term.use}')
    return found


def _pattern(phrase: str) -> re.Pattern[str]:
    """A phrase as a regular expression; a space stands for any gap between words."""
    return re.compile(rf"(?<![a-z])(?:{phrase.replace(' ', _GAP)})(?![a-z])", re.IGNORECASE)


def _files(paths: Sequence[str], skip: Sequence[str]) -> list[Path]:
    return [
        file
        for file in source_files(ROOT, (".py", ".md"), paths)
        if not any(fnmatch.fnmatch(str(file.relative_to(ROOT)), each) for each in skip)
    ]


def main(arguments: Sequence[str]) -> int:
    """Print what is found in the files below ``arguments``; the exit code."""
    terms, skip = read()
    found = check(_files(arguments, skip), terms)
    sys.stdout.writelines(f"{line}\n" for line in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
