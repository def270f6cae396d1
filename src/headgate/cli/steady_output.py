"""Standard output of a command that must not fail because nobody reads it any more."""

from __future__ import annotations

import io
import sys

from headgate.cli.output import drop_output


class SteadyOutput(io.TextIOBase):
    """Writes to standard output until that fails: a closed terminal, a pipe that nobody reads.

    A command that changes a service must come to its end all the same.

    Attributes:
        lost: whether something could not be written.
    """

    def __init__(self) -> None:
        super().__init__()
        # Kept, since a progress display puts itself in its place.
        self._stream = sys.stdout
        self.lost = self._stream is None

    def writable(self) -> bool:
        """See ``io.IOBase``."""
        return True

    def isatty(self) -> bool:
        """See ``io.IOBase``."""
        return not self.lost and self._stream.isatty()

    def write(self, text: str) -> int:
        """See ``io.TextIOBase``."""
        if not self.lost:
            try:
                self._stream.write(text)
            except (OSError, ValueError):  # ValueError: it was closed
                self._lose()
        return len(text)

    def flush(self) -> None:
        """See ``io.IOBase``."""
        if not self.lost:
            try:
                self._stream.flush()
            except (OSError, ValueError):
                self._lose()

    def _lose(self) -> None:
        self.lost = True
        drop_output()
