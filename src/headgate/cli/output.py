"""Standard output and standard error of a command, either of which may be closed."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
from collections.abc import Mapping, Sequence

from headgate.errors import HeadgateError
from headgate.net.causes import in_words

UNWRITABLE = frozenset({errno.ENOSPC, errno.EIO, errno.EBADF, errno.EDQUOT, errno.EFBIG})
"""How a write to a full disk or a closed standard output fails."""


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
        drop_output()
        raise HeadgateError(
            f"standard output cannot be written ({in_words(error)}): {instead}"
        ) from None


def document(fields: Mapping[str, object], *, ok: bool = True, errors: Sequence[str] = ()) -> str:
    """What a command with ``--json`` prints, always as one object.

    ``ok`` says whether the exit code is 0; ``errors`` has what standard error says of an exit code
    of 2, line by line.  ``fields`` are the command's own.
    """
    return json.dumps({"ok": ok, "errors": list(errors), **fields}, indent=2)


def drop_output() -> None:
    """Let what standard output still holds go nowhere, or Python fails at its exit."""
    if sys.stdout is not None:
        with contextlib.suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, sys.stdout.fileno())
            os.close(null)
