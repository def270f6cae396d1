"""The files that a configuration names: read from disk, or as another worker has found them."""

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
        kept: what the files held when they were last fit, by path; where it is given nothing is
            read from disk.

    ``seen``: what each file held that was read here, by path.
    """

    def __init__(self, kept: Mapping[str, bytes] | None = None) -> None:
        self._kept = kept
        self.seen: dict[str, bytes] = {}

    def read(self, file: Path) -> bytes:
        """What a file holds.

        Raises:
            HeadgateError: it cannot be read.
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
    """A path that holds ``content``, which was read from ``file``, for what only opens paths."""
    if not _DESCRIPTORS.is_dir():  # no /proc is mounted
        yield file
        return
    memory = os.memfd_create("headgate-file", os.MFD_CLOEXEC)
    try:
        with open(memory, "wb", closefd=False) as stream:
            stream.write(content)
        yield _DESCRIPTORS / str(memory)
    finally:
        os.close(memory)
