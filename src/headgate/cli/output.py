"""Standard output and standard error of a command, either of which may be closed."""

from __future__ import annotations

import contextlib
import os
import sys

from headgate.errors import HeadgateError


def tell(line: str) -> None:
    """Write a line for a person to standard error; one that nobody can read changes nothing."""
    if sys.stderr is not None:  # or else it would go to standard output
        with contextlib.suppress(OSError):
            print(line, file=sys.stderr, flush=True)


def hand_over(text: str, instead: str) -> None:
    """Write ``text`` to standard output, so that it has left this process.

    Raises:
        HeadgateError: it cannot be written, and what happened ``instead``.
    """
    try:
        if sys.stdout is None:
            raise OSError("it is closed")
        print(text, flush=True)
    except OSError as error:
        what = error.strerror or str(error)
        drop_output()
        raise HeadgateError(f"standard output cannot be written ({what}): {instead}") from None


def drop_output() -> None:
    """Let what standard output still holds go nowhere, or Python fails at its exit."""
    if sys.stdout is not None:
        with contextlib.suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, sys.stdout.fileno())
            os.close(null)
