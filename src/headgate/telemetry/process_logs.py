"""The logs of one process while it runs: their files are opened again, their levels set."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final

from headgate.events import (
    Emit,
    Level,
    LogFileRemoved,
    LogLevelEnded,
    LogNotReopened,
    LogsReopened,
)
from headgate.telemetry import event_log
from headgate.telemetry.log_control import LogControl
from headgate.telemetry.log_file import LogFile

OnDebug = Callable[[Collection[str]], None]
"""Takes the modules whose level is ``debug`` now."""


class ProcessLogs:
    """Follows what ``control`` says; ``look`` is to be called about twice a second.

    Args:
        control: what all processes agree on.
        files: those that this process writes to.
        emit: takes the events.
        tells: whether this is the process that reports what all of them do.
        on_debug: is called when it changes which modules are at ``debug``.
    """

    def __init__(
        self,
        control: LogControl,
        files: Sequence[LogFile],
        emit: Emit,
        *,
        tells: bool = False,
        on_debug: OnDebug | None = None,
    ) -> None:
        self._control: Final = control
        self._files: Final = files
        self._emit = emit
        self._tells = tells
        self._on_debug = on_debug
        self._reopenings = control.reopenings
        self._changes = 0
        self._levels: dict[str, Level] = {}
        self._debug: frozenset[str] = frozenset()
        self._unopened: set[LogFile] = set()

    @property
    def has_files(self) -> bool:
        """Whether there is any file to open again."""
        return bool(self._files)

    def look(self) -> None:
        """Do what is due."""
        control = self._control
        if control.reopenings != self._reopenings:
            self._reopenings = control.reopenings
            self._reopen()
        for file in self._files:
            if file.is_removed and file not in self._unopened:
                opened = self._reopened(file)
                if opened and self._tells:
                    self._emit(LogFileRemoved(str(file.path)))
        if self._levels or control.changes != self._changes:
            self._set_levels()

    def reopen_all(self) -> None:
        """Open the files again, in every process."""
        self._control.ask_to_reopen()
        self.look()

    def _reopen(self) -> None:
        self._unopened.clear()
        opened = [str(each.path) for each in self._files if self._reopened(each)]
        if opened and self._tells:
            self._emit(LogsReopened(tuple(dict.fromkeys(opened))))

    def _reopened(self, file: LogFile) -> bool:
        try:
            file.reopen()
        except OSError as error:
            self._unopened.add(file)  # said once
            self._emit(LogNotReopened(str(file.path), error.strerror or str(error)))
            return False
        return True

    def _set_levels(self) -> None:
        is_changed = self._control.changes != self._changes
        self._changes = self._control.changes
        before, self._levels = (
            self._levels,
            {each.module: each.level for each in self._control.levels()},
        )
        if before == self._levels:
            return
        for module in (*before, *self._levels):
            event_log.set_level(module, self._levels.get(module))
        if self._tells and not is_changed:
            for module in before.keys() - self._levels.keys():
                self._emit(LogLevelEnded(module))
        debug = frozenset(name for name, level in self._levels.items() if level is Level.DEBUG)
        if debug != self._debug:
            self._debug = debug
            if self._on_debug is not None:
                self._on_debug(debug)
