"""The check of links in the documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import links

PAGE = """# The page

## Two words, `code` and [a link](https://example.org)

## Twice

## Twice

<a id="written"></a>
"""


def found(folder: Path, text: str) -> list[str]:
    (folder / "docs").mkdir()
    (folder / "docs" / "page.md").write_text(PAGE, encoding="utf-8")
    (folder / "code.py").touch()
    file = folder / "README.md"
    file.write_text(text, encoding="utf-8")
    return list(links.problems([file], folder))


@pytest.mark.parametrize(
    "link",
    [
        "docs/page.md",
        "docs",
        "code.py",
        "docs/page.md#the-page",
        "docs/page.md#two-words-code-and-a-link",
        "docs/page.md#twice-1",
        "docs/page.md#written",
        "#here-it-is",
        "https://example.org/a?b#c",
        "mailto:ada@example.org",
    ],
)
def test_good_links(link: str, tmp_path: Path) -> None:
    assert found(tmp_path, f"# Here it is\n\nA [link]({link}), ![image]({link}).\n") == []


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        ("docs/none.md", "there is no such file"),
        ("docs/page.md#none", "there is no such heading"),
        ("#none", "there is no such heading"),
        ("docs/page.md#twice-2", "there is no such heading"),
        ("../elsewhere.md", "it leads out of the repository"),
        ("https:///path", "no address of the web"),
        ("ftp://example.org/", "no address of the web"),
        ("http://[::1/", "Invalid IPv6 URL"),
    ],
)
def test_bad_links(link: str, problem: str, tmp_path: Path) -> None:
    text = f"# Here\n\nText and\na [link to `it`]({link}).\n"
    assert found(tmp_path, text) == [f"README.md:4: {link}: {problem}"]


def test_definitions_count_and_code_does_not(tmp_path: Path) -> None:
    text = "`[a](b)`\n\n```\n[a](b)\n# none\n```\n\n[name]: none.md\n[other](#none)\n"
    assert found(tmp_path, text) == [
        "README.md:9: #none: there is no such heading",
        "README.md:8: none.md: there is no such file",
    ]


def test_links_of_changelog_fragments_start_where_the_changelog_is(tmp_path: Path) -> None:
    found(tmp_path, "")
    folder = tmp_path / "changelog.d"
    folder.mkdir()
    fragment, about = folder / "a.user.added.md", folder / "README.md"
    for file in (fragment, about):
        file.write_text("[Page](docs/page.md)", encoding="utf-8")
    (problem,) = links.problems([fragment, about], tmp_path)
    assert problem.startswith("changelog.d/README.md:1: ")
