"""Runs programs to their end: with a limit, without secrets in command lines, and none is left.

Each runs under ``parent_watch``, so that it ends when this process is killed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from headgate.deploy import parent_watch

GRACE: Final = 2.0
"""Seconds between SIGTERM and SIGKILL."""
_TAIL_BYTES: Final = 8192
_TAIL_LINES: Final = 6


@dataclass(frozen=True, slots=True)
class Done:
    """A program that ended.

    Attributes:
        code: its exit code; None if it did not end in time.
        output: what it wrote to its standard output; empty if that went to a file.
        said: the last lines of all that it wrote to its standard error, in one.
    """

    code: int | None
    output: str
    said: str


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    limit: float,
    *,
    folder: Path | None = None,
    secret: str = "",
) -> Done:
    """Run a program.

    Args:
        command: the program and its arguments, without secrets: others can read those.
        environment: all of it.
        limit: seconds after which it is ended.
        folder: where it runs.
        secret: what is not to be in ``said``; empty for none.

    Raises:
        OSError: it cannot be started.
    """
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as output:
        process = subprocess.Popen(  # noqa: S603 - the operator chooses the programs
            watched(command),
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
        try:
            code: int | None = process.wait(limit)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            end(process)
        return Done(code, _text(output), last_lines(errors, secret))


def watched(command: Sequence[str]) -> list[str]:
    """The command line under ``parent_watch``, whose standard input has to be a pipe."""
    return [sys.executable, "-I", "-S", parent_watch.__file__, str(GRACE), *command]


def end(process: subprocess.Popen[bytes]) -> None:
    """End a watched program with everything that it started, and wait for that."""
    if process.stdin is not None:
        process.stdin.close()  # the signal to stop
    process.wait()


def last_lines(errors: IO[bytes], secret: str = "") -> str:
    """The last lines of a file, in one, without control characters."""
    size, hidden = errors.seek(0, os.SEEK_END), secret.encode()
    # Also one of which only the end is within the tail.
    errors.seek(max(0, size - _TAIL_BYTES - len(hidden)))
    found = errors.read()
    if hidden:
        found = found.replace(hidden, b"[secret]")
    text = found[-_TAIL_BYTES:].decode(errors="replace")
    lines = ["".join(filter(str.isprintable, line)).strip() for line in text.splitlines()]
    return " / ".join([line for line in lines if line][-_TAIL_LINES:])


def _text(output: IO[bytes]) -> str:
    output.seek(0)
    return output.read().decode(errors="replace")
