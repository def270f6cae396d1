"""The generated pages are whole, stable and up to date."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from docs.generate import FILES, main
from docs.reference_pages import command_line, configuration, reason_codes
from headgate.cli import COMMANDS
from headgate.config import Config
from headgate.reasons import Reason

ROOT = Path(__file__).parents[3]


def test_the_pages_in_the_repository_are_up_to_date() -> None:
    assert main(["--check"], ROOT) == 0


def test_written_pages_pass_the_check(tmp_path: Path) -> None:
    assert main([], tmp_path) == 0
    written = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*.*")}
    assert written == set(FILES)
    assert main(["--check"], tmp_path) == 0


def test_the_check_names_each_stale_file_and_the_cure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([], tmp_path)
    *stale, _ = FILES
    for name in stale:
        with (tmp_path / name).open("a", encoding="utf-8") as file:
            file.write("changed by hand\n")
    capsys.readouterr()
    assert main(["--check"], tmp_path) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"docs: {tmp_path / name} is not up to date; run: make docs" for name in stale
    ]


def test_a_missing_page_is_stale(tmp_path: Path) -> None:
    assert main(["--check"], tmp_path) == 1
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_option_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--chekc"]) == 2
    assert "usage:" in capsys.readouterr().err


def test_pages_do_not_depend_on_terminal_or_environment() -> None:
    """Another width, colours, an own configuration: the same pages."""
    environment = os.environ | {
        "COLUMNS": "200",
        "FORCE_COLOR": "1",
        "HEADGATE_CONFIG": "/nowhere/headgate.toml",
        "HEADGATE_LISTEN__PORT": "1",
        "PYTHONHASHSEED": "1",
        "LANG": "C",
    }
    done = subprocess.run(
        [sys.executable, "-m", "docs.generate", "--check"], cwd=ROOT, env=environment, check=False
    )
    assert done.returncode == 0


def test_each_setting_has_a_row_with_a_meaning() -> None:
    rows = [line for line in configuration.page().splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]
    assert {setting for setting, *_ in cells} == {f"`{path}`" for path in setting_paths(Config)}
    assert all(all(row) for row in cells)


def setting_paths(model: type[BaseModel]) -> Iterator[str]:
    """The paths that ``headgate check`` would name, found by another way than the page's."""
    for name, schema in model.model_json_schema()["properties"].items():
        yield from paths_of(name, schema, model.model_json_schema().get("$defs", {}))


def paths_of(path: str, schema: dict[str, Any], known: dict[str, Any]) -> Iterator[str]:
    for option in (schema, *schema.get("anyOf", ()), *schema.get("allOf", ())):
        if "$ref" in str(option.get("additionalProperties")) and "properties" not in option:
            yield from paths_of(f"{path}.NAME", option["additionalProperties"], known)
            return
        section = known.get(option.get("$ref", "").rpartition("/")[2], {})
        if "properties" in section:
            for name, inner in section["properties"].items():
                yield from paths_of(f"{path}.{name}", inner, known)
            return
    yield path
    element = known.get(schema.get("items", {}).get("$ref", "").rpartition("/")[2], {})
    yield from (f"{path}.{name}" for name in element.get("properties", {}))


def test_each_reason_has_a_row() -> None:
    page = reason_codes.page()
    assert all(f"| `{reason}` |" in page for reason in Reason)


def test_each_command_has_its_help() -> None:
    page = command_line.page()
    for command in (*COMMANDS, "keys create", "keys list", "keys set-roles", "keys revoke"):
        assert f"`headgate {command}`\n\n```text\nUsage: headgate {command}" in page
