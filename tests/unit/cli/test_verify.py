"""``headgate verify`` around its program: key, command line, events, output, exit code.

A scripted interpreter stands in for Python: it is started as the real one is and tells events.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from headgate.cli import main

URL = "http://gate.example/mlflow"
KEY = "a-key-of-a-test"
FAILURE = {
    "request": "POST /mlflow/api/2.0/mlflow/runs/create",
    "status": 503,
    "answered_by": "gate",
    "server": "",
    "reason": "no_endpoint",
    "request_id": "r-1",
    "message": "No MLflow \x1b[31mserver.",
    "cause": "The gate knows no MLflow server.",
    "action": "Start MLflow.",
}
PLAN = {
    "event": "plan",
    "steps": ["a", "b", "remove"],
    "name": "headgate-verify-1",
    "client": "MLflow 3",
}
SUMMARY = {"event": "summary", "seconds": 1.5, "leftovers": []}


def passed(step: str, **fields: Any) -> dict[str, Any]:
    return {"event": "passed", "step": step, "seconds": 0.25, "detail": "", "repeated": []} | fields


ALL_PASSED = [
    PLAN,
    {"event": "started", "step": "a"},
    passed("a", detail="two words, naïve"),
    passed("b"),
    passed("remove"),
    SUMMARY,
]
ONE_FAILED = [
    PLAN,
    passed("a"),
    {"event": "failed", "step": "b", "seconds": 2.0, "failure": FAILURE},
    {"event": "skipped", "step": "remove", "why": "nothing was made"},
    SUMMARY,
]


class Interpreter:
    """A program in place of Python; it notes how it was started."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "python"
        self._start = folder / "start.json"

    def tells(self, events: Sequence[object], *, code: int = 0, errors: str = "") -> Interpreter:
        lines = "".join(json.dumps(event) + "\n" for event in events)
        return self.runs(
            f"sys.stdout.write({lines!r}); sys.stderr.write({errors!r}); sys.exit({code})"
        )

    def runs(self, code: str) -> Interpreter:
        start = "json.dump({'arguments': sys.argv[1:], 'environment': dict(os.environ)}, file)"
        self.path.write_text(
            f"#!{sys.executable}\nimport json, os, signal, sys\n"
            f"with open({str(self._start)!r}, 'w') as file:\n    {start}\n" + dedent(code)
        )
        self.path.chmod(0o755)
        return self

    @property
    def arguments(self) -> list[str]:
        arguments: list[str] = json.loads(self._start.read_text())["arguments"]
        return arguments

    @property
    def environment(self) -> dict[str, str]:
        environment: dict[str, str] = json.loads(self._start.read_text())["environment"]
        return environment


@pytest.fixture
def interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Interpreter:
    for name in os.environ:
        if name.startswith(("MLFLOW_", "HEADGATE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HEADGATE_API_KEY", KEY)
    return Interpreter(tmp_path)


def verify(interpreter: Interpreter, *arguments: str) -> int:
    return main(["verify", "--url", URL, "--python", str(interpreter.path), *arguments])


def test_a_line_for_each_step(interpreter: Interpreter, capfd: pytest.CaptureFixture[str]) -> None:
    assert verify(interpreter.tells(ALL_PASSED)) == 0
    output = capfd.readouterr().out
    assert f"Verifying {URL} with MLflow 3; key sent as bearer" in output
    assert "passed   a         0.25 s  two words, naïve\n" in output
    assert "│" not in output  # a table would repeat the lines
    assert "All 3 steps passed in 1.5 s." in output


def test_a_failure_is_explained_where_it_happens(
    interpreter: Interpreter, capfd: pytest.CaptureFixture[str]
) -> None:
    assert verify(interpreter.tells(ONE_FAILED, code=1)) == 1
    output = capfd.readouterr().out
    for line in (
        "failed   b         2.00 s",
        "         request  POST /mlflow/api/2.0/mlflow/runs/create: 503",
        "         answered Headgate (no_endpoint), request id r-1",
        "         cause    The gate knows no MLflow server.",
        "         next     Start MLflow.",
        "skipped  remove            nothing was made",
        "1 of 3 steps failed, 1 were skipped.",
    ):
        assert line + "\n" in output


def test_a_server_cannot_steer_the_terminal(
    interpreter: Interpreter, capfd: pytest.CaptureFixture[str]
) -> None:
    verify(interpreter.tells(ONE_FAILED, code=1))
    output = capfd.readouterr().out
    assert "No MLflow [31mserver." in output
    assert "\x1b" not in output


def test_repeated_requests_are_shown(
    interpreter: Interpreter, capfd: pytest.CaptureFixture[str]
) -> None:
    """A step that passed only at its second attempt is worth a look."""
    repeated = passed("b", repeated=["GET /x (503)"])
    verify(interpreter.tells([PLAN, passed("a"), repeated, passed("remove"), SUMMARY]))
    output = capfd.readouterr().out
    assert "         sent again after GET /x (503)\n" in output
    assert "after 1 failed attempts" in output


@pytest.mark.parametrize(
    ("keep", "text"), [([], "May be left in MLflow"), (["--keep"], "Kept in MLflow")]
)
def test_leftovers_are_named(
    keep: list[str], text: str, interpreter: Interpreter, capfd: pytest.CaptureFixture[str]
) -> None:
    verify(interpreter.tells([PLAN, SUMMARY | {"leftovers": ["run 1", "experiment x"]}]), *keep)
    assert f"{text}: run 1, experiment x.\n" in capfd.readouterr().out


def test_json(interpreter: Interpreter, capfd: pytest.CaptureFixture[str]) -> None:
    assert verify(interpreter.tells(ONE_FAILED, code=1), "--json") == 1
    document = json.loads(capfd.readouterr().out)
    assert document["passed"] is False
    assert document["url"] == URL
    assert document["name"] == "headgate-verify-1"
    assert [step["result"] for step in document["steps"]] == ["passed", "failed", "skipped"]
    assert document["steps"][1]["failure"] == FAILURE


def test_json_says_that_all_passed(
    interpreter: Interpreter, capfd: pytest.CaptureFixture[str]
) -> None:
    assert verify(interpreter.tells(ALL_PASSED), "--json") == 0
    assert json.loads(capfd.readouterr().out)["passed"] is True


def test_the_key_travels_in_the_environment_alone(
    interpreter: Interpreter, capfd: pytest.CaptureFixture[str]
) -> None:
    verify(interpreter.tells(ALL_PASSED), "--keep", "--size", "64KiB")
    assert interpreter.arguments == [
        *("-P", "-m", "headgate_verify", "--url", URL, "--auth", "bearer"),
        *("--username", "headgate-verify", "--size", "65536", "--keep"),
    ]
    assert interpreter.environment["HEADGATE_API_KEY"] == KEY
    assert KEY not in "".join(capfd.readouterr())


def test_an_interpreter_without_headgate_can_run_the_program(interpreter: Interpreter) -> None:
    """Its environment has MLflow; of ours it gets this one package and nothing else."""
    interpreter.runs(
        """
        path = os.environ["PYTHONPATH"].split(os.pathsep)[0]
        print(json.dumps({"event": "plan", "name": "n", "client": "c", "steps": os.listdir(path)}))
        assert os.path.exists(os.path.join(path, "headgate_verify", "__main__.py"))
        print(json.dumps({"event": "passed", "step": "headgate_verify"}))
        print(json.dumps({"event": "summary", "seconds": 1, "leftovers": []}))
        """
    )
    assert verify(interpreter) == 0


@pytest.mark.parametrize(
    ("variables", "arguments", "key", "auth"),
    [
        (
            {"MLFLOW_TRACKING_TOKEN": "token", "MLFLOW_TRACKING_PASSWORD": "x"},
            [],
            "token",
            "bearer",
        ),
        ({"MLFLOW_TRACKING_PASSWORD": "word"}, [], "word", "basic"),
        ({"MLFLOW_TRACKING_PASSWORD": "word"}, ["--auth", "bearer"], "word", "bearer"),
        ({"HEADGATE_API_KEY": "key", "MLFLOW_TRACKING_TOKEN": "x"}, [], "key", "bearer"),
        ({"HEADGATE_API_KEY": "key\n"}, ["--auth", "basic"], "key", "basic"),
    ],
)
def test_where_the_key_comes_from(
    variables: dict[str, str],
    arguments: list[str],
    key: str,
    auth: str,
    interpreter: Interpreter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The gate's own variable first, then those of MLflow's client, which say how it is sent."""
    monkeypatch.delenv("HEADGATE_API_KEY")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert verify(interpreter.tells(ALL_PASSED), *arguments) == 0
    assert interpreter.environment["HEADGATE_API_KEY"] == key
    given = interpreter.arguments
    assert given[given.index("--auth") + 1] == auth


def test_the_user_name_of_mlflows_own_authentication(
    interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ann")
    verify(interpreter.tells(ALL_PASSED))
    given = interpreter.arguments
    assert given[given.index("--username") + 1] == "ann"


def test_without_key_and_terminal(
    interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HEADGATE_API_KEY")
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        assert verify(interpreter) == 2
    assert capfd.readouterr().err == (
        "headgate: there is no key; set HEADGATE_API_KEY to one "
        "(create it with: headgate keys create NAME)\n"
    )


def test_a_key_no_header_can_carry_is_not_repeated(
    interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HEADGATE_API_KEY", "two words")
    assert verify(interpreter) == 2
    errors = capfd.readouterr().err
    assert "the HEADGATE_API_KEY contains a space" in errors
    assert "two words" not in errors


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("gate.example", "'gate.example' is not an http:// or https:// address"),
        ("ftp://gate.example", "'ftp://gate.example' is not an http:// or https:// address"),
        ("http://", "'http://' is not an http:// or https:// address"),
        ("http://gate.example:x", "Port could not be cast to integer"),
        ("http://gate.example/?a=1", "must not have a query or fragment"),
        ("http://ann:secret@gate.example", "--url contains credentials"),
    ],
)
def test_an_unusable_url(
    url: str, problem: str, interpreter: Interpreter, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "--url", url, "--python", str(interpreter.path)]) == 2
    errors = capfd.readouterr().err
    assert problem in errors
    assert errors.count("\n") == 1
    assert "secret" not in errors


@pytest.mark.parametrize("size", ["0", "-1MiB", "12parsecs", ""])
def test_an_unusable_size(
    size: str, interpreter: Interpreter, capfd: pytest.CaptureFixture[str]
) -> None:
    assert verify(interpreter, "--size", size) == 2
    assert "is not a size such as 64KiB, 128MiB or 2GiB" in capfd.readouterr().err


def test_mlflow_is_not_installed(
    interpreter: Interpreter, capfd: pytest.CaptureFixture[str]
) -> None:
    unusable = {"event": "unusable", "message": "MLflow is not installed for python9"}
    assert verify(interpreter.tells([unusable], code=2)) == 2
    assert capfd.readouterr().err == (
        "headgate: MLflow is not installed for python9; "
        f"run: {interpreter.path} -m pip install 'headgate[mlflow]'\n"
    )


@pytest.mark.parametrize(
    ("events", "errors", "words"),
    [
        ([], "unknown option -P\n", "unknown option -P"),
        (["hello"], "", "something other than events"),
    ],
)
def test_an_interpreter_that_cannot_run_the_program(
    events: list[object],
    errors: str,
    words: str,
    interpreter: Interpreter,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert verify(interpreter.tells(events, code=2, errors=errors)) == 2
    message = capfd.readouterr().err
    assert "cannot run the verification, which needs Python 3.11 or newer" in message
    assert words in message


def test_an_interpreter_that_is_not_there(
    interpreter: Interpreter, capfd: pytest.CaptureFixture[str]
) -> None:
    assert verify(interpreter) == 2
    assert "No such file or directory; choose a Python interpreter" in capfd.readouterr().err


def test_a_crash_is_reported_without_the_key(
    interpreter: Interpreter, capfd: pytest.CaptureFixture[str]
) -> None:
    interpreter.tells([PLAN, passed("a")], code=1, errors=f"Traceback\nKeyError: '{KEY}'\n")
    assert verify(interpreter) == 1
    output = capfd.readouterr().out
    assert "did not finish: the program exited with 1: Traceback / KeyError: '[key]'" in output
    assert "Everything that it created in MLflow is named headgate-verify-1" in output
    assert "│ b      │ not run │" in output


INTERRUPTED = """
    def tell(**event):
        print(json.dumps(event), flush=True)

    def removal(number, frame):
        tell(event="passed", step="remove", seconds=0.1)
        tell(event="summary", seconds=1, leftovers=[])
        os._exit(1)

    if ANSWERS:
        signal.signal(signal.SIGINT, removal)
    else:
        signal.signal(signal.SIGINT, lambda number, frame: os.kill(os.getppid(), signal.SIGINT))
    tell(event="plan", name="headgate-verify-1", client="c", steps=["a", "remove"])
    os.kill(os.getppid(), signal.SIGTERM if ANSWERS else signal.SIGINT)
    while True:
        signal.pause()
"""


def test_an_interrupt_leaves_time_for_the_removal(
    interpreter: Interpreter, capfd: pytest.CaptureFixture[str]
) -> None:
    assert verify(interpreter.runs(INTERRUPTED.replace("ANSWERS", "True"))) == 1
    output, errors = capfd.readouterr()
    assert "passed   remove    0.10 s\n" in output
    assert "stopping after cleaning up MLflow" in errors


def test_a_second_interrupt_stops_immediately(
    interpreter: Interpreter, capfd: pytest.CaptureFixture[str]
) -> None:
    assert verify(interpreter.runs(INTERRUPTED.replace("ANSWERS", "False"))) == 1
    assert "did not finish: stopped immediately, on request" in capfd.readouterr().out
