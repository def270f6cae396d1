"""The check of words."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import terms


def findings(folder: Path, text: str, name: str = "page.md") -> list[str]:
    """What the project's own list finds in a file."""
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return terms.check([file], terms.read()[0], folder)


def test_a_planted_word_is_found_with_its_line_and_the_standard_word(tmp_path: Path) -> None:
    (found,) = findings(tmp_path, "One line.\nWhoever asks gets a response.\n")
    assert found.startswith('page.md:2: "Whoever"; write instead: name the actor')


@pytest.mark.parametrize(
    "text",
    [
        "the log is as\nfar as it goes",
        "# it waits as\n    # far as line 3",
        'message = "it waits as "\n    "far as line 3"',
        "def as_far_as(line): ...",
    ],
)
def test_phrases_are_found_over_line_ends_and_in_names(text: str, tmp_path: Path) -> None:
    assert len(findings(tmp_path, text, "code.py")) == 1


@pytest.mark.parametrize(
    "text",
    [
        "MLflow answers 404.",  # the verb
        "The two cannot be told apart.",
        "at most 64 uploads at once",  # concurrently
        "silent and talent",  # parts of words
    ],
)
def test_other_meanings_pass(text: str, tmp_path: Path) -> None:
    assert findings(tmp_path, text) == []


def test_a_word_may_be_right_in_some_files() -> None:
    (term,) = (each for each in terms.read()[0] if each.banned.search("the answer"))
    assert list(term.find("src/headgate/wire/head.py", "the answer"))
    assert not list(term.find("src/headgate/discovery/dns.py", "the answer"))


def test_the_exit_code_says_whether_any_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "page.md"
    monkeypatch.setattr(terms, "_files", lambda _paths, _skip: [file])
    file.write_text("It waits for ever.\n", encoding="utf-8")
    assert terms.main([]) == 1
    assert '"indefinitely"' in capsys.readouterr().out
    file.write_text("It waits indefinitely.\n", encoding="utf-8")
    assert terms.main([]) == 0
