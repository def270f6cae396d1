"""What ``headgate up`` prints once the gate runs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from headgate.cli.welcome import Welcome, program

FIRST = Welcome(
    host="127.0.0.1",
    port=8081,
    upstream="http://127.0.0.1:39001",
    data=Path("/home/ada/headgate-data"),
    new_key="hg_example",
    old_keys=(),
    program=".venv/bin/headgate",
    stops_mlflow=True,
)
LATER = Welcome(
    host="127.0.0.1",
    port=8080,
    upstream="http://mlflow:5000",
    data=Path("/home/ada/my data"),
    new_key=None,
    old_keys=("first", "ci"),
    program="headgate",
    stops_mlflow=False,
)


def test_a_first_start_shows_everything_needed_to_go_on() -> None:
    assert "\n".join(FIRST.lines()) == (
        "Headgate is ready, with MLflow at http://127.0.0.1:39001 behind it.\n"
        "\n"
        "  Tracking URI  http://127.0.0.1:8081\n"
        "  API key       hg_example  (shown only once)\n"
        "  MLflow's UI   http://127.0.0.1:8081/mlflow/  (any user name; the key is the password)\n"
        "  Data          /home/ada/headgate-data\n"
        "\n"
        "In a second shell:\n"
        "\n"
        "export MLFLOW_TRACKING_URI=http://127.0.0.1:8081\n"
        "export MLFLOW_TRACKING_TOKEN=hg_example\n"
        ".venv/bin/headgate verify --url http://127.0.0.1:8081/mlflow\n"
        "\n"
        "Ctrl-C stops the gate and MLflow."
    )


def test_a_later_start_says_where_the_key_is_and_how_to_make_another() -> None:
    lines = LATER.lines()

    assert (
        "  API key       shown when it was created (first, ci); create another: "
        "headgate keys create NAME --data '/home/ada/my data'"
    ) in lines
    assert "export MLFLOW_TRACKING_TOKEN=YOUR_KEY" in lines
    assert lines[-1] == "Ctrl-C stops the gate."


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    path = tmp_path / "project" / ".venv" / "bin" / "headgate"
    path.parent.mkdir(parents=True)
    path.touch(mode=0o755)
    return path


def test_a_program_on_the_path_is_called_by_its_name(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(installed.parent))

    assert program(str(installed), tmp_path) == "headgate"


def test_a_program_below_the_working_folder_is_called_by_its_short_path(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    project = tmp_path / "project"

    assert program(".venv/bin/headgate", project) == ".venv/bin/headgate"
    assert program(str(installed), project) == ".venv/bin/headgate"
    assert program(str(installed), tmp_path / "elsewhere") == str(installed)


def test_another_program_of_the_same_name_on_the_path_is_not_meant(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "bin" / "headgate"
    other.parent.mkdir()
    other.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(other.parent))

    assert program(str(installed), tmp_path / "project") == ".venv/bin/headgate"


def test_a_module_is_called_as_a_module(tmp_path: Path) -> None:
    assert program("/lib/headgate/__main__.py", tmp_path) == f"{sys.executable} -m headgate"
