"""The frame of the command line: one line for each problem, exit codes, a help that is quick."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import headgate
from headgate.cli import COMMANDS, main


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith(("HEADGATE_", "MLFLOW_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["check", "--confg", "x"],
            (
                "headgate: No such option: --confg (Possible options: --config); "
                "see: headgate check --help\n"
            ),
        ),
        (["--unknown"], "headgate: No such option: --unknown; see: headgate --help\n"),
        (
            ["serv"],
            "headgate: No such command 'serv'. Did you mean 'serve'?; see: headgate --help\n",
        ),
        (
            ["check", "surplus"],
            "headgate: Got unexpected extra argument(s) (surplus); see: headgate check --help\n",
        ),
        (["keys"], "headgate: Missing command; see: headgate keys --help\n"),
        (
            ["keys", "create"],
            "headgate: Missing argument 'NAME'; see: headgate keys create --help\n",
        ),
        (["check", "--config", "none.toml"], "headgate: none.toml: No such file or directory\n"),
    ],
)
def test_a_mistake_gets_one_line_on_standard_error(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(arguments)

    assert (code, *capsys.readouterr()) == (2, "", line)


def test_an_option_of_the_wrong_type_gets_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["up", "--port", "http"])

    line = capsys.readouterr().err
    assert (code, line.count("\n")) == (2, 1)
    assert line.startswith("headgate: Invalid value for '--port': ")


def test_every_problem_of_the_configuration_gets_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADGATE_LISTEN__PORT", "-1")
    monkeypatch.setenv("HEADGATE_LISTEN__COLOUR", "red")
    monkeypatch.setenv("MLFLOW_SERVER_URL", "ftp://mlflow")

    code = main(["check"])

    lines = capsys.readouterr().err.splitlines()
    assert code == 2
    assert sorted(line.split(" (")[0] for line in lines) == [
        "headgate: listen.colour",
        "headgate: listen.port",
        "headgate: upstreams.default.url",
    ]


def test_no_argument_at_all_prints_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    code = main([])

    printed = capsys.readouterr()
    assert (code, printed.err) == (0, "")
    assert printed.out.startswith("Usage: headgate ")


COMPILED = " (compiled)" if headgate.is_compiled() else ""


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--version"])

    assert (code, capsys.readouterr().out) == (0, f"headgate {headgate.__version__}{COMPILED}\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_begins_with_its_line_in_the_list(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The list is kept apart from the commands, so the two could say different things."""
    code = main([name, "--help"])

    text = capsys.readouterr().out
    assert code == 0
    assert text.split("\n\n")[1].strip().startswith(COMMANDS[name])


def test_the_help_imports_no_command() -> None:
    """It must answer at once: pydantic, rich and uvloop are what makes it slow."""
    program = (
        "import sys, headgate.cli; headgate.cli.main(['--help']);"
        "print(sorted({'pydantic', 'rich.console', 'uvloop', 'asyncio'} & set(sys.modules)))"
    )

    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert run.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("arguments", [["--help"], ["check"]])
def test_a_reader_that_leaves_early_causes_no_traceback(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        run = subprocess.run(
            [sys.executable, "-m", "headgate", *arguments],
            stdout=writer,
            stderr=subprocess.PIPE,
            check=False,
        )
    finally:
        os.close(writer)

    assert (run.returncode, run.stderr) == (1, b"")
