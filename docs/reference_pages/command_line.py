"""The page of commands: the help of each, as ``headgate COMMAND --help`` prints it."""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Iterator
from unittest import mock

from docs.reference_pages.markdown import GENERATED
from headgate.cli import main

WIDTH = 80  # columns
_INTRODUCTION = """# Command line

`python -m headgate` is the same program as `headgate`. If a command fails, it prints one line for
each problem on standard error, starting with `headgate:`, and exits with code 2. `headgate
--install-completion` installs completion of commands and options for bash, zsh or fish.

With `--json` a command prints one JSON object on standard output, also if it fails. The exit code
is the same as without:

| Member | Meaning |
| --- | --- |
| `ok` | whether the exit code is 0 |
| `errors` | with exit code 2, the lines of standard error; otherwise empty |
| others | specific to the command: `keys`, `key`, `routes`, `steps`, `vulnerabilities`, … |

`headgate up --json` prints its object when the gate is ready. `headgate serve` does not have this
option: once it runs, everything that it writes is JSON, one object per line.
"""
_COMMAND = re.compile(r"^  ([a-z][a-z-]*)  ", re.MULTILINE)


def page() -> str:
    """The whole page."""
    sections = (f"\n{_title(command)}\n\n```text\n{text}```\n" for command, text in _helps(()))
    return GENERATED + _INTRODUCTION + "".join(sections)


def _helps(command: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each command below ``command``, itself first, with its help."""
    text = _help(command)
    yield command, text
    for name in _COMMAND.findall(text.partition("\nCommands:\n")[2]):
        yield from _helps((*command, name))


def _help(command: tuple[str, ...]) -> str:
    output = io.StringIO()
    with (
        mock.patch.dict(os.environ, {"COLUMNS": str(WIDTH)}),
        contextlib.redirect_stdout(output),
    ):
        main([*command, "--help"])
    return "".join(f"{line.rstrip()}\n" for line in output.getvalue().splitlines())


def _title(command: tuple[str, ...]) -> str:
    return f"{'#' * (2 + max(0, len(command) - 1))} `{' '.join(('headgate', *command))}`"
