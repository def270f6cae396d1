"""Takes up a changed configuration while the gate runs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from headgate.config import Config
from headgate.errors import ConfigError, HeadgateError
from headgate.server.watch import FileWatch

log = logging.getLogger("headgate.server")

_RELOADED: Final = frozenset({"trusted_proxies", "public_names"})
"""Settings of ``listen`` that a running gate takes up."""


class Reloader:
    """Reads the configuration again when asked to, or when its file has changed.

    Args:
        started: the configuration that the gate was started with.
        read: reads the whole configuration again.
        apply: puts a new one in force.
        file: the file to watch, if there is one.

    A configuration with problems changes nothing: each problem is logged, and the one in force
    stays.  What cannot change while the gate runs is named, and stays as it was at the start.
    """

    def __init__(
        self,
        started: Config,
        read: Callable[[], Config],
        apply: Callable[[Config], None],
        file: Path | None,
    ) -> None:
        self._started = started
        self._current = started
        self._read = read
        self._apply = apply
        self._watch = FileWatch(file, taken=False) if file is not None else None

    def look(self) -> None:
        """Reload if the file has changed since the last look."""
        if self._watch is not None and self._watch.changed():
            self._reload(only_if_different=True)

    def reload(self) -> None:
        """Read the configuration and put it in force, with the files that it names."""
        if self._watch is not None:
            self._watch.take()
        self._reload(only_if_different=False)

    def _reload(self, *, only_if_different: bool) -> None:
        try:
            wanted = self._read()
            config = as_far_as_possible(self._started, wanted)
            if only_if_different and wanted == config == self._current:
                return
            self._apply(config)
        except ConfigError as error:
            for problem in error.problems:
                log.error("configuration not reloaded: %s", problem)
        except HeadgateError as error:
            log.error("configuration not reloaded: %s", error)
        else:
            for name in fixed_differences(self._started, wanted):
                log.warning("%s is changed only by a restart", name)
            self._current = config
            log.info("configuration reloaded")


def as_far_as_possible(started: Config, wanted: Config) -> Config:
    """The configuration ``wanted``, but with what a gate started otherwise cannot change."""
    listen = started.listen.model_copy(
        update={name: getattr(wanted.listen, name) for name in _RELOADED},
    )
    return wanted.model_copy(
        update={"data": started.data, "auth": started.auth, "log": started.log, "listen": listen}
    )


def fixed_differences(started: Config, wanted: Config) -> list[str]:
    """The settings that differ and that a running gate cannot change."""
    pairs = {
        "data": (started.data, wanted.data),
        "auth": (started.auth, wanted.auth),
        "log": (started.log, wanted.log),
        **{
            f"listen.{name}": (getattr(started.listen, name), getattr(wanted.listen, name))
            for name in type(started.listen).model_fields
            if name not in _RELOADED
        },
    }
    return [name for name, (before, after) in pairs.items() if before != after]
