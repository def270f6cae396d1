"""Checks the links of the documentation: files, anchors, and the form of external addresses.

``python -m tools.links`` reads all Markdown files that git knows, and prints one line for each link
that leads nowhere; exit code 1 if there is one.  Nothing is fetched.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tools.source_files import source_files

ROOT = Path(__file__).parents[1]
TEMPLATES = ROOT / "bench"  # pages before they are made: their links hold where they will lie
_FENCE = re.compile(r"^(?P<fence>```+|~~~+).*?^(?P=fence)\s*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
_LINK = re.compile(
    r"!?\[(?:[^\[\]]|\[[^\[\]]*\])*\]\(<?([^()\s<>]*(?:\([^()\s]*\))?)>?(?:\s+\"[^\"]*\")?\)"
)
_DEFINITION = re.compile(r"^ {0,3}\[[^\]]+\]: *<?(\S+?)>?(?: |$)", re.MULTILINE)
_HEADING = re.compile(r"^ {0,3}#{1,6} +(.+?) *#* *$", re.MULTILINE)
_ANCHOR = re.compile(r"<a +(?:id|name)=\"([^\"]+)\"")


def problems(files: Sequence[Path], root: Path = ROOT) -> Iterator[str]:
    """One line for each bad link in ``files``."""
    for file in files:
        text = _blank(_FENCE, file.read_text(encoding="utf-8"))
        prose = _blank(_CODE, text)
        for match in (*_LINK.finditer(prose), *_DEFINITION.finditer(prose)):
            problem = _problem(file, match.group(1), root)
            if problem:
                line = prose.count("\n", 0, match.start()) + 1
                yield f"{file.relative_to(root)}:{line}: {match.group(1)}: {problem}"


def _problem(file: Path, target: str, root: Path) -> str | None:
    """What is wrong with a link in ``file``."""
    try:
        parts = urlsplit(target)
    except ValueError as error:
        return str(error)
    if parts.scheme:
        good = parts.scheme == "mailto" or (parts.scheme in ("http", "https") and parts.hostname)
        return None if good else "no address of the web"
    path = (_folder(file, root) / unquote(parts.path)).resolve() if parts.path else file
    if not path.is_relative_to(root):
        return "it leads out of the repository"
    if not path.exists():
        return "there is no such file"
    if parts.fragment and path.suffix == ".md" and parts.fragment not in _anchors(path):
        return "there is no such heading"
    return None


def _folder(file: Path, root: Path) -> Path:
    """The folder that links of ``file`` start from; a release moves fragments into CHANGELOG.md."""
    is_fragment = file.parent == root / "changelog.d" and file.name != "README.md"
    return root if is_fragment else file.parent


@functools.cache
def _anchors(file: Path) -> frozenset[str]:
    """The anchors of a page: those of its headings, as code hosts make them, and written ones."""
    text = _blank(_FENCE, file.read_text(encoding="utf-8"))
    found = set(_ANCHOR.findall(text))
    for heading in _HEADING.findall(text):
        shown = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", shown).replace(" ", "-")
        number, name = 0, slug
        while name in found:
            number += 1
            name = f"{slug}-{number}"
        found.add(name)
    return frozenset(found)


def _blank(pattern: re.Pattern[str], text: str) -> str:
    """``text`` without what matches, its line ends kept."""
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)


def main() -> int:
    """Print what is wrong; the exit code."""
    files = source_files(ROOT, (".md",))
    found = list(problems([file for file in files if TEMPLATES not in file.parents]))
    sys.stdout.writelines(f"{line}\n" for line in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
