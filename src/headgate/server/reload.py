"""Takes up a changed configuration while the gate runs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from headgate.config import Config
from headgate.errors import ConfigError, HeadgateError

log = logging.getLogger("headgate.server")


class Reloader:
    """Reads the configuration again when asked to, or when its file has changed.

    Args:
        current: the configuration in force.
        read: reads the whole configuration again.
        apply: puts a new one in force.
        file: the file to watch, if there is one.

    A configuration with problems changes nothing: each problem is logged, and the one in force
    stays.  What cannot change while the gate runs is named, and stays too.
    """

    def __init__(
        self,
        current: Config,
        read: Callable[[], Config],
        apply: Callable[[Config], None],
        file: Path | None,
    ) -> None:
        self._current = current
        self._read = read
        self._apply = apply
        self._file = file
        self._seen = self._version()

    def look(self) -> None:
        """Reload if the file has changed since the last look."""
        if self._version() != self._seen:
            self.reload()

    def reload(self) -> None:
        """Read the configuration and put it in force."""
        self._seen = self._version()
        try:
            config = self._read()
            self._apply(config)
        except ConfigError as error:
            for problem in error.problems:
                log.error("configuration not reloaded: %s", problem)
        except HeadgateError as error:
            log.error("configuration not reloaded: %s", error)
        else:
            for name in fixed_differences(self._current, config):
                log.warning("%s is changed only by a restart", name)
            self._current = config
            log.info("configuration reloaded")

    def _version(self) -> tuple[int, int] | None:
        if self._file is None:
            return None
        try:
            status = self._file.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino


def fixed_differences(old: Config, new: Config) -> list[str]:
    """The settings that differ and that a running gate cannot change."""
    pairs = {
        "data": (old.data, new.data),
        "auth": (old.auth, new.auth),
        "log": (old.log, new.log),
        **{
            f"listen.{name}": (getattr(old.listen, name), getattr(new.listen, name))
            for name in type(old.listen).model_fields
            if name != "trusted_proxies"
        },
    }
    return [name for name, (before, after) in pairs.items() if before != after]
