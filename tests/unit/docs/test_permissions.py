"""What the docs show of ``headgate explain`` is what it prints."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest

from docs.reference_pages import roles
from headgate.cli import main
from headgate.config import load
from headgate.model import FAMILIES
from headgate.policy import BUILT_IN

PAGE = Path(__file__).parents[3] / "docs/how-to/grant-permissions.md"
TEXT = PAGE.read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```console\n\$ headgate (explain .*)\n((?:.+\n)+)```", TEXT)


@pytest.fixture
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration that the page shows."""
    for name in os.environ:
        if name.startswith(("HEADGATE_", "MLFLOW_")):
            monkeypatch.delenv(name)
    (shown,) = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    file = tmp_path / "headgate.toml"
    file.write_text(shown)
    monkeypatch.setenv("HEADGATE_CONFIG", str(file))
    return file


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 3


@pytest.mark.parametrize(("command", "shown"), EXAMPLES, ids=[command for command, _ in EXAMPLES])
def test_an_example_is_what_the_command_prints(
    command: str, shown: str, configuration: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(shlex.split(command))
    assert capsys.readouterr() == (shown, "")


def test_the_roles_that_are_shown_are_sound(configuration: Path) -> None:
    assert "team-a" in load(configuration, {}).roles


def test_the_mistake_that_the_page_shows_is_reported_so(
    configuration: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mistaken = configuration.read_text().replace('"read:* on experiment', '"read:run on experiment')
    configuration.write_text(mistaken)
    assert main(["check"]) == 2
    (shown,) = re.findall(r"```text\n(headgate: .*\n)```", TEXT)
    assert capsys.readouterr().err == shown


def test_the_reference_has_every_role_and_family() -> None:
    page = roles.page()
    assert all(f"\n| `{name}` |" in page for name in (*BUILT_IN, *FAMILIES))
