"""Puts a changed configuration in force while the gate runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from headgate.config import Config
from headgate.config.restart import merged, waiting
from headgate.config.section import Section
from headgate.errors import ConfigError, HeadgateError
from headgate.events import ConfigurationRefused, ConfigurationReloaded, Emit, RestartNeeded
from headgate.runtime.file_watch import FileWatch


@dataclass(frozen=True, slots=True)
class ConfigurationStatus:
    """How the configuration in force and the one that is written down compare.

    Attributes:
        differs_from_file: whether they differ.
        needs_restart: the settings that differ until a restart.
        problems: why what is written down could not be put in force.
    """

    differs_from_file: bool
    needs_restart: tuple[str, ...]
    problems: tuple[str, ...]


class Reloader:
    """Reads the configuration again when asked to, or when its file has changed.

    Args:
        started: the configuration that the gate was started with.
        read: reads the whole configuration again.
        apply: puts a new one in force.
        emit: takes the events.
        file: the file to watch, if there is one.
        current: the configuration in force, where that may be another one: it is read again at
            the first look.

    A file is read once it rests: while it is being written, it is left alone.  A configuration with
    problems changes nothing: each problem is an event, and the one in force stays.  What cannot
    change while the gate runs is named, and stays as it was at the start.
    """

    def __init__(
        self,
        started: Config,
        read: Callable[[], Config],
        apply: Callable[[Config], None],
        emit: Emit,
        file: Path | None,
        current: Config | None = None,
    ) -> None:
        self._started = started
        self._current = started if current is None else current
        self._asked = current is not None
        self._needs_restart: tuple[str, ...] = ()
        self._problems: tuple[str, ...] = ()
        self._read = read
        self._apply = apply
        self._emit = emit
        self._watch = FileWatch(file, taken=False) if file is not None else None

    def status(self) -> ConfigurationStatus:
        """How the two compare since the last reading."""
        differs = bool(self._needs_restart or self._problems)
        return ConfigurationStatus(differs, self._needs_restart, self._problems)

    @property
    def is_asked(self) -> bool:
        """Whether it was asked to reload, and has not done so yet."""
        return self._asked

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
        problems: tuple[str, ...] = ()
        try:
            wanted = self._read()
        except ConfigError as error:
            problems = tuple(map(str, error.problems))
        if self._watch is not None and not self._watch.rests():
            return  # written while it was read: a later look finds it changed
        self._asked = False
        self._refuse(problems)
        if wanted is not None:
            self._take(wanted, only_if_different=only_if_different)

    def _take(self, wanted: Config, *, only_if_different: bool) -> None:
        config = merged(self._started, wanted)
        if only_if_different and wanted == config == self._current:
            self._needs_restart = ()
            return
        try:
            self._apply(config)
        except HeadgateError as error:
            self._refuse((str(error),))
            return
        self._current = config
        self._note_waiting(wanted)
        self._emit(ConfigurationReloaded())

    def _refuse(self, problems: tuple[str, ...]) -> None:
        self._problems = problems
        for problem in problems:
            self._emit(ConfigurationRefused(problem))

    def _note_waiting(self, wanted: Config) -> None:
        """Emit what does not take effect, in one event."""
        found = list(waiting(self._started, wanted))
        self._needs_restart = tuple(path for path, _, _ in found)
        if found:
            changes = (
                f"{path} (written: {_shown(after)}; in force: {_shown(before)})"
                for path, before, after in found
            )
            self._emit(RestartNeeded(self._needs_restart, tuple(changes)))


def _shown(value: object) -> str:
    return "nothing" if value is None else "a table" if isinstance(value, Section) else str(value)
