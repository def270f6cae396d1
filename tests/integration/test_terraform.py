"""Terraform reads the modules and tests them with a mocked provider.

The ladder of these checks, and its gap, is in ``deploy/terraform/README.md``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.support.terraform import Workspace, program, without_blocks
from tools.terraform.module import TERRAFORM, module_folders, read, read_file

pytestmark = pytest.mark.first
FOLDERS: Final = [str(each.relative_to(TERRAFORM)) for each in module_folders()]
MODULES: Final = [each for each in FOLDERS if each.startswith("modules/")]
TESTED: Final = [each for each in MODULES if (TERRAFORM / each / "tests").is_dir()]
NEWER: Final = "modules/gateway-blue-green"
"""The module whose arguments are newer than provider 5."""
DEPRECATED: Final[frozenset[str]] = frozenset()
"""Warnings of `terraform validate` that are accepted, with the reason beside each."""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace.copy(tmp_path_factory.mktemp("terraform"))


def test_the_files_are_formatted() -> None:
    """`terraform fmt` needs no provider, and finds files of tests as well."""
    folder = TERRAFORM.parent
    done = Workspace(folder.parent, program()).run(".", "fmt", "-check", "-recursive", "-list=true")
    assert done.stdout == ""
    assert done.returncode == 0


@pytest.mark.parametrize("file", sorted(TERRAFORM.rglob("*.tf*")), ids=lambda file: file.name)
def test_each_file_is_read_without_terraform(file: Path) -> None:
    if file.suffix in (".tf", ".hcl") and ".terraform" not in file.name:
        assert read_file(file)


@pytest.mark.parametrize("name", [each for each in FOLDERS if each not in TESTED])
def test_a_module_is_valid(workspace: Workspace, name: str) -> None:
    """Those without tests of their own: `terraform test` validates before it tests."""
    workspace.initialise(name)
    assert set(workspace.diagnostics(name)) <= DEPRECATED


@pytest.mark.parametrize("name", [each for each in TESTED if each != NEWER])
def test_the_tests_of_a_module_pass(workspace: Workspace, name: str) -> None:
    workspace.initialise(name)
    last = workspace.output(name, "test", "-no-color").strip().splitlines()[-1]
    assert last.startswith("Success!")
    assert ", 0 failed" in last


# --- provider 6 ----------------------------------------------------------------------------------


def test_the_newer_module_is_valid_without_what_is_newer(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Everything but its blocks for blue/green, which a provider 5 would refuse.

    Where a provider 6 lies on this machine, it reads the whole module.
    """
    workspace = Workspace.copy(tmp_path_factory.mktemp("newer"))
    folder = workspace.at(NEWER)
    whole = {file: file.read_text(encoding="utf-8") for file in folder.glob("*.tf")}
    for file, text in whole.items():
        older = without_blocks(text, ["provider 6"]).replace(">= 6.21, < 7.0", ">= 5.80, < 7.0")
        file.write_text(older, encoding="utf-8")
    assert read(folder).requirements()["aws"] == ">= 5.80, < 7.0"
    found = workspace.initialise(NEWER)
    if found.version >= (6, 21):
        for file, text in whole.items():
            file.write_text(text, encoding="utf-8")
    assert workspace.diagnostics(NEWER) == []
    last = workspace.output(NEWER, "test", "-no-color").strip().splitlines()[-1]
    assert last.startswith("Success!"), last
