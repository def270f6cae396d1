"""Notices that files have changed."""

from __future__ import annotations

from pathlib import Path

Version = tuple[int, int, int] | None


class FileWatch:
    """Looks now and then at files that others write.

    Args:
        files: the files; they need not exist.
        taken: whether what they hold now is about to be read; if not, the first look finds a
            change, so that nothing written since they were read is missed.

    ``settled``: whether the last look found them as the one before had.
    """

    def __init__(self, *files: Path, taken: bool) -> None:
        self._files = files
        self._last = self._versions()
        self._taken = self._last if taken else None
        self.settled = True

    def changed(self) -> bool:
        """Whether they have changed and have then stayed the same from one look to the next.

        Who writes a file, or several that belong together, is not disturbed in the middle of it.
        """
        now = self._versions()
        self.settled = now == self._last
        self._last = now
        if not self.settled or now == self._taken:
            return False
        self._taken = now
        return True

    def rests(self) -> bool:
        """Whether they are as the last look found them."""
        return self._versions() == self._last

    def take(self) -> None:
        """Count what they hold now as seen: it is about to be read."""
        self._last = self._taken = self._versions()

    def _versions(self) -> tuple[Version, ...]:
        return tuple(map(_version, self._files))


def _version(file: Path) -> Version:
    """What changes whenever a file is written or replaced; ``None``: there is no such file."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
