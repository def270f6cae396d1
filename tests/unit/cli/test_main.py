"""The frame of the command line: one line for each problem, exit codes, a help that is quick."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import headgate
from headgate.cli import COMMANDS, main
from headgate.config import Config
from headgate.stores import open_identity_store


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
                "headgate: No such option: --confg (Possible options: --config, --json); "
                "see: headgate check --help\n"
            ),
        ),
        (["--unknown"], "headgate: No such option: --unknown; see: headgate --help\n"),
        (
            ["serv"],
            "headgate: No such command 'serv'. Did you mean 'serve'? See: headgate --help\n",
        ),
        (
            ["check", "surplus"],
            "headgate: Got unexpected extra argument(s) (surplus); see: headgate check --help\n",
        ),
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


@pytest.mark.parametrize("arguments", [[], ["keys"]])
def test_no_argument_at_all_prints_the_help(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(arguments)

    printed = capsys.readouterr()
    assert (code, printed.err) == (0, "")
    assert printed.out.startswith(" ".join(["Usage: headgate", *arguments]))


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "--json", "--config", "none.toml"],
        ["keys", "list", "--json"],
        ["keys", "revoke", "--json"],
        ["routes", "--family", "x", "--json"],
        ["check", "--jsn", "--json"],
    ],
)
def test_a_mistake_is_a_document_too_where_one_is_wanted(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(arguments)

    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert code == 2
    assert (document["ok"], len(document["errors"])) == (False, 1)
    assert printed.err == f"headgate: {document['errors'][0]}\n"


def test_every_command_has_a_document() -> None:
    """But for the one that runs on, whose output is documents, line by line."""
    groups = {"keys", "principals", "db", "tokens", "log-level", "ecs", "mlflow"}
    groups |= {"read-only", "gates"}
    for command in sorted(COMMANDS.keys() - groups - {"serve"}):
        assert "--json" in helped(command), command
    for command in ("create", "rotate", "list", "show", "set-roles", "set", "revoke", "expire"):
        assert "--json" in helped("keys", command), command
    assert "--json" in helped("tokens", "check")
    for command in ("upgrade", "current", "check"):
        assert "--json" in helped("db", command), command
    for command in ("show", "set", "reset"):
        assert "--json" in helped("log-level", command), command
    for command in ("on", "off"):
        assert "--json" in helped("read-only", command), command
    for command in ("list", "remove"):
        assert "--json" in helped("gates", command), command
    for command in ("status", "plan", "deploy", "rollback", "env-diff", "drill"):
        assert "--json" in helped("ecs", command), command
    for command in ("status", "plan", "upgrade", "rollback"):
        assert "--json" in helped("mlflow", command), command
    assert "--json" in helped("keys", "import")
    for command in ("create", "list", "show", "set-roles", "set", "rename", "disable", "enable"):
        assert "--json" in helped("principals", command), command
    assert "--json" in helped("doctor", "cve")


def helped(*command: str) -> str:
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        main([*command, "--help"])
    return output.getvalue()


def test_no_help_is_cut_or_shows_braces() -> None:
    for command in ((), *((name,) for name in COMMANDS), ("keys", "create"), ("doctor", "cve")):
        assert "..." not in helped(*command).replace("[ARGS]...", ""), command
        assert "{" not in helped(*command), command


def test_check_has_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["ok"]
    assert document["upstreams"]["default"]["url"] == "http://127.0.0.1:5000"
    assert document["key_store"] == "headgate-data/keys.sqlite"


@pytest.mark.parametrize(
    ("words", "offered"), [("ke", "keys"), ("keys cre", "create"), ("check --con", "--config")]
)
def test_a_shell_can_complete_commands(words: str, offered: str) -> None:
    """As the script of ``--show-completion bash`` asks."""
    environment = os.environ | {
        "_HEADGATE_COMPLETE": "complete_bash",
        "COMP_WORDS": f"headgate {words}",
        "COMP_CWORD": str(len(words.split())),
    }
    done = subprocess.run(
        [sys.executable, "-m", "headgate"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert offered in done.stdout.split()


@pytest.mark.parametrize("arguments", [["check"], ["keys", "list"], ["routes"]])
def test_a_full_disk_is_reported(arguments: list[str], tmp_path: Path) -> None:
    open_identity_store(Config(data=tmp_path / "headgate-data")).close()
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "headgate", *arguments, "--json"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == "headgate: cannot write the output: No space left on device\n"


COMPILED = " (compiled)" if headgate.is_compiled() else ""


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--version"])

    commit = r"(, commit [0-9a-f]{12}(-dirty)?)?"  # where it is known
    form = rf"headgate {re.escape(headgate.__version__)}{commit}{re.escape(COMPILED)}\n"
    assert code == 0
    assert re.fullmatch(form, capsys.readouterr().out)


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
    """It must respond immediately: importing pydantic, rich or uvloop would make it slow."""
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
