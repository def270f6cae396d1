"""The fragments of the changelog."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import changelog

BEFORE = """# Changelog

## [Unreleased]

### Added

- One thing.

### Fixed

- A mistake.

## [0.1.0] - 2026-01-01

- The beginning.
"""
AFTER = """# Changelog

## [Unreleased]

## [0.2.0] - 2026-02-03

### Added

- One thing.
- **Operators.** A setting.
  It has two lines.
- **Users.** A page.

### Changed

- **Developers.** A verb.

### Fixed

- A mistake.

## [0.1.0] - 2026-01-01

- The beginning.
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "CHANGELOG.md").write_text(BEFORE, encoding="utf-8")
    (tmp_path / "changelog.d").mkdir()
    (tmp_path / "changelog.d" / "README.md").write_text("# How", encoding="utf-8")
    return tmp_path


def add(root: Path, name: str, text: str) -> Path:
    file = root / "changelog.d" / name
    file.write_text(text, encoding="utf-8")
    return file


def test_a_release_takes_what_is_there_and_the_fragments(root: Path) -> None:
    files = [
        add(root, "page.user.added.md", "A page.\n"),
        add(root, "verb.developer.changed.md", "A verb."),
        add(root, "setting.operator.added.md", "A setting.\nIt has two lines.\n"),
    ]
    changelog.release("0.2.0", "2026-02-03", root)
    assert (root / "CHANGELOG.md").read_text(encoding="utf-8") == AFTER
    assert not any(file.exists() for file in files)
    assert (root / "changelog.d" / "README.md").exists()


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("thing.md", "Text.", "it is not named like NAME.operator|user|developer."),
        ("thing.admin.added.md", "Text.", "it is not named like"),
        ("thing.user.new.md", "Text.", "it is not named like"),
        ("thing.user.added.md", " \n", "it is empty"),
        ("thing.user.added.md", "- Text.", "it begins with a bullet"),
        ("thing.user.added.md", "x" * 111, "a line is longer than 110"),
    ],
)
def test_a_fragment_in_another_form(name: str, text: str, problem: str, root: Path) -> None:
    add(root, name, text)
    with pytest.raises(changelog.ChangelogError, match=rf"^{name}: {problem}".replace("|", r"\|")):
        changelog.read(root)


def test_a_version_is_released_once(root: Path) -> None:
    with pytest.raises(changelog.ChangelogError, match=r"a section of 0\.1\.0 already"):
        changelog.release("0.1.0", "2026-02-03", root)


def test_nothing_is_not_released(root: Path) -> None:
    changelog.release("0.2.0", "2026-02-03", root)
    with pytest.raises(changelog.ChangelogError, match="nothing to release"):
        changelog.release("0.3.0", "2026-02-04", root)


def test_a_changelog_without_its_heading_is_left_alone(root: Path) -> None:
    (root / "CHANGELOG.md").write_text("# Changelog\n", encoding="utf-8")
    with pytest.raises(changelog.ChangelogError, match="there is no ## "):
        changelog.release("0.2.0", "2026-02-03", root)


def test_the_projects_own_fragments_are_well_formed() -> None:
    assert changelog.main(["check"]) == 0


def test_an_unknown_command_shows_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert changelog.main(["cut"]) == 2
    assert "release VERSION" in capsys.readouterr().err
