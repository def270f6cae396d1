"""Takes up a changed configuration while the gate runs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
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
        current: the configuration in force, where that may be another one: it is read again at
            the first look.

    A file is read once it rests: while somebody writes it, it is left alone.  A configuration with
    problems changes nothing: each problem is logged, and the one in force stays.  What cannot
    change while the gate runs is named, and stays as it was at the start.
    """

    def __init__(
        self,
        started: Config,
        read: Callable[[], Config],
        apply: Callable[[Config], None],
        file: Path | None,
        current: Config | None = None,
    ) -> None:
        self._started = started
        self._current = started if current is None else current
        self._asked = current is not None
        self._read = read
        self._apply = apply
        self._watch = FileWatch(file, taken=False) if file is not None else None

    def look(self) -> None:
        """Reload if the file has changed since the last look, or if it was asked for."""
        if self._watch is not None and self._watch.changed():
            self._reload(only_if_different=not self._asked)
        elif self._asked and (self._watch is None or self._watch.settled):
            self._reload_at_rest()

    def reload(self) -> None:
        """Read the configuration and put it in force, with the files that it names.

        While the file is being written, that is done at a later look.
        """
        self._asked = True
        self._reload_at_rest()

    def _reload_at_rest(self) -> None:
        if self._watch is not None:
            if not self._watch.rests():
                return
            self._watch.take()
        self._reload(only_if_different=False)

    def _reload(self, *, only_if_different: bool) -> None:
        wanted: Config | None = None
        problems: Sequence[object] = ()
        try:
            wanted = self._read()
        except ConfigError as error:
            problems = error.problems
        if self._watch is not None and not self._watch.rests():
            return  # written while it was read: a later look finds it changed
        self._asked = False
        for problem in problems:
            log.error("configuration not reloaded: %s", problem)
        if wanted is not None:
            self._take(wanted, only_if_different=only_if_different)

    def _take(self, wanted: Config, *, only_if_different: bool) -> None:
        config = as_far_as_possible(self._started, wanted)
        if only_if_different and wanted == config == self._current:
            return
        try:
            self._apply(config)
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
