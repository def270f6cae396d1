"""Standard output and standard error of a command; both may be closed."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
from collections.abc import Mapping, Sequence

from headgate.errors import HeadgateError
from headgate.symptoms import in_words

UNWRITABLE = frozenset({errno.ENOSPC, errno.EIO, errno.EBADF, errno.EDQUOT, errno.EFBIG})
"""Errors of writes to a full disk or to a closed standard output."""


def tell(line: str) -> None:
    """Write a line to standard error; ignore failures.

    It is one write: with ``PYTHONUNBUFFERED``, which images often set, ``print`` makes two, and the
    log that another process writes there would get between a line and its end.
    """
    if sys.stderr is None:
        return
    with contextlib.suppress(OSError):
        try:
            file = sys.stderr.fileno()
        except (OSError, ValueError):  # it is no file, as in a test
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()
            return
        # What a buffer keeps of a write that failed would fail again when Python exits.
        sys.stderr.flush()
        text = f"{line}\n".encode(sys.stderr.encoding, sys.stderr.errors or "strict")
        while text:
            text = text[os.write(file, text) :]


def hand_over(text: str, instead: str) -> None:
    """Write ``text`` to standard output and flush it.

    Raises:
        HeadgateError: it cannot be written; the message ends with ``instead``.
    """
    try:
        if sys.stdout is None:
            raise OSError("it is closed")
        print(text, flush=True)
    except OSError as error:
        drop_output()
        raise HeadgateError(
            f"cannot write to standard output ({in_words(error)}): {instead}"
        ) from None


def document(fields: Mapping[str, object], *, ok: bool = True, errors: Sequence[str] = ()) -> str:
    """The output of a command with ``--json``: one object.

    ``ok`` is whether the exit code is 0; ``errors`` has the lines of standard error for exit code
    2.  ``fields`` are specific to the command.
    """
    return json.dumps({"ok": ok, "errors": list(errors), **fields}, indent=2)


def drop_output() -> None:
    """Discard the buffer of standard output, so that Python does not fail at exit."""
    if sys.stdout is not None:
        with contextlib.suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, sys.stdout.fileno())
            os.close(null)
