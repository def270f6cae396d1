"""The files that a configuration names: read from disk, or from a worker's snapshot."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from headgate.errors import HeadgateError

_DESCRIPTORS = Path("/proc/self/fd")


class Files:
    """Reads files and remembers what they held.

    Args:
        kept: the last valid contents of the files, by path; if given, nothing is read from disk.

    ``seen``: the contents of each file that was read, by path.
    """

    def __init__(self, kept: Mapping[str, bytes] | None = None) -> None:
        self._kept = kept
        self.seen: dict[str, bytes] = {}

    def read(self, file: Path) -> bytes:
        """The contents of a file.

        Raises:
            HeadgateError: the file cannot be read.
        """
        if self._kept is None:
            try:
                content = file.read_bytes()
            except OSError as error:
                raise HeadgateError(f"{file} cannot be read: {error.strerror or error}") from error
        else:
            try:
                content = self._kept[str(file)]
            except KeyError:
                raise HeadgateError(f"{file} is not among the files in use") from None
        self.seen[str(file)] = content
        return content


@contextlib.contextmanager
def as_path(content: bytes, file: Path) -> Iterator[Path]:
    """A path with ``content``, which was read from ``file``, for functions that only take paths."""
    if not _DESCRIPTORS.is_dir():  # /proc is not mounted
        yield file
        return
    memory = os.memfd_create("headgate-file", os.MFD_CLOEXEC)
    try:
        with open(memory, "wb", closefd=False) as stream:
            stream.write(content)
        yield _DESCRIPTORS / str(memory)
    finally:
        os.close(memory)
