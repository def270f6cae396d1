"""What the how-to pages about tokens show, taken from the pages themselves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

HOW_TO: Final = Path(__file__).parents[2] / "docs" / "how-to"
COMMON: Final = "use-a-token"
PAGES: Final = tuple(sorted(each.stem for each in HOW_TO.glob("log-in-from-*.md")))


def text(page: str) -> str:
    """The text of a page."""
    return (HOW_TO / f"{page}.md").read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    """Its code blocks in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text(page), re.DOTALL | re.MULTILINE)


def configuration(page: str) -> str:
    """What the page adds to the gate's configuration."""
    return "\n".join(blocks(page, "toml"))


def refresher(folder: Path) -> Path:
    """Write ``token_refresh.py`` as the page shows it; returns the folder."""
    (module,) = (each for each in blocks(COMMON, "python") if "token_refresh.py" in each)
    (folder / "token_refresh.py").write_text(module, encoding="utf-8")
    return folder


def fetching(page: str) -> str:
    """The program text with which the page's programs begin."""
    (program,) = blocks(page, "python")
    return program


def conditions(page: str) -> list[str]:
    """Each condition of the page's table of narrower rules."""
    table = text(page).split("## Narrow it")[1].split("\n## ")[0]
    return re.findall(r"^\| (`.+?) \| ", table, re.MULTILINE)
