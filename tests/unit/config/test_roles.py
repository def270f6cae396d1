"""Roles in the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.config import Config, Role, load
from headgate.errors import ConfigError


def configured(tmp_path: Path, text: str) -> Config:
    file = tmp_path / "headgate.toml"
    file.write_text(text)
    return load(file, {})


def problems(tmp_path: Path, text: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        configured(tmp_path, text)
    return {problem.path: problem.message for problem in caught.value.problems}


def test_without_a_word_there_are_no_roles_of_ones_own() -> None:
    assert load(None, {}).roles == {}


def test_roles_are_tables_of_the_file(tmp_path: Path) -> None:
    config = configured(
        tmp_path,
        """
        [roles.team-a]
        includes = ["pages"]
        grants = ["*:* on experiment team-a/*"]
        [roles.pages]
        grants = ["read:ui", "read:meta"]
        """,
    )
    assert config.roles == {
        "team-a": Role(grants=("*:* on experiment team-a/*",), includes=("pages",)),
        "pages": Role(grants=("read:ui", "read:meta")),
    }


def test_roles_may_stand_in_the_environment() -> None:
    config = load(
        None,
        {
            "HEADGATE_ROLES__METRICS__GRANTS": "read:gate, read:meta",
            "HEADGATE_ROLES__METRICS__INCLUDES": "viewer",
        },
    )
    assert config.roles == {
        "metrics": Role(grants=("read:gate", "read:meta"), includes=("viewer",))
    }


def test_all_invalid_grants_are_reported(tmp_path: Path) -> None:
    """With its place, and beside the problems of other settings."""
    found = problems(
        tmp_path,
        """
        listen.port = -1
        [roles.a]
        grants = ["read:runs", "read:run", "wirte:runs"]
        [roles.b]
        grants = ["read:models on experiment x"]
        permissions = []
        """,
    )
    assert set(found) == {
        "listen.port",
        "roles.a.grants.1",
        "roles.a.grants.2",
        "roles.b.grants.0",
        "roles.b.permissions",
    }
    assert found["roles.a.grants.1"].startswith("column 6: expected a family (experiments, runs,")
    assert found["roles.b.grants.0"].startswith("column 13: models cannot be narrowed to exp")


def test_all_conflicts_between_roles_are_reported(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        """
        [roles.admin]
        grants = ["read:runs"]
        [roles.a]
        includes = ["b", "nobody"]
        [roles.b]
        includes = ["a"]
        grants = ["read:runs in upstream lab"]
        """,
    )
    assert set(found) == {
        "roles.admin",
        "roles.a.includes.1",
        "roles.a.includes",
        "roles.b.includes",
        "roles.b.grants.0",
    }
