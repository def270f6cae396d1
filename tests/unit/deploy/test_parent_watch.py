"""A command and its children end when their parent exits or closes the pipe.

Every process below inherits one pipe as its standard output.  Reading that pipe to its end
therefore waits until each of them is gone, and hangs if one is left over.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from headgate.deploy import parent_watch

PATIENT = "60"  # seconds of grace that a test with an obedient command never uses up
OBEDIENT = "import signal; print('ready', flush=True); signal.pause()"
STUBBORN = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('ready', flush=True); signal.pause()"
)

Watched = subprocess.Popen[str]
Start = Callable[[str, str], Watched]


def command(grace: str, program: str) -> list[str]:
    python = [sys.executable, "-I", "-S"]
    return [*python, parent_watch.__file__, grace, *python, "-c", program]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a program whose pipe this test holds open."""
    with ExitStack() as stack:

        def start(grace: str, program: str) -> Watched:
            process = subprocess.Popen(
                command(grace, program),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield start


def line_of(process: Watched) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def rest_of(process: Watched) -> str:
    assert process.stdout is not None
    return process.stdout.read()


def close_pipe(process: Watched) -> None:
    assert process.stdin is not None
    process.stdin.close()


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ("raise SystemExit(0)", 0),
        ("raise SystemExit(7)", 7),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 128 + signal.SIGKILL),
    ],
)
def test_the_exit_code_is_the_commands(start: Start, program: str, code: int) -> None:
    assert start(PATIENT, program).wait() == code


def test_closing_the_pipe_ends_the_command(start: Start) -> None:
    program = (
        "import os, signal;"
        "signal.signal(signal.SIGTERM, lambda *_: os._exit(os.write(1, b'tidy\\n')));"
        "print('ready', flush=True); signal.pause()"
    )
    process = start(PATIENT, program)
    assert line_of(process) == "ready\n"

    close_pipe(process)

    assert rest_of(process) == "tidy\n"


def test_a_command_that_will_not_end_is_killed_after_the_grace(start: Start) -> None:
    process = start("0.1", STUBBORN)
    assert line_of(process) == "ready\n"

    close_pipe(process)

    assert rest_of(process) == ""


def test_what_the_command_started_ends_with_it(start: Start) -> None:
    """MLflow's command line is one such: the server proper is its child."""
    process = start(
        "0.1", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {STUBBORN!r}])"
    )
    assert line_of(process) == "ready\n"

    close_pipe(process)

    assert rest_of(process) == ""


def test_what_a_killed_command_left_behind_ends_too(start: Start) -> None:
    program = (
        "import os, signal, subprocess, sys;"
        f"child = subprocess.Popen([sys.executable, '-c', {OBEDIENT!r}], stdout=subprocess.PIPE);"
        "child.stdout.readline(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    process = start(PATIENT, program)

    assert rest_of(process) == ""
    assert process.wait() == 128 + signal.SIGKILL


def test_the_command_ends_when_its_owner_is_killed() -> None:
    owner_program = (
        "import subprocess, sys;"
        f"subprocess.Popen({command(PATIENT, OBEDIENT)!r}, stdin=subprocess.PIPE,"
        " start_new_session=True).wait()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", owner_program], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert line_of(owner) == "ready\n"

        owner.kill()

        assert rest_of(owner) == ""
