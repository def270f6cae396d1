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
    """

    def __init__(self, *files: Path, taken: bool) -> None:
        self._files = files
        self._last = self._versions()
        self._taken = self._last if taken else None

    def changed(self) -> bool:
        """Whether they have changed and have then stayed the same from one look to the next.

        Who writes a file, or several that belong together, is not disturbed in the middle of it.
        """
        now = self._versions()
        is_settled = now == self._last
        self._last = now
        if not is_settled or now == self._taken:
            return False
        self._taken = now
        return True

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
