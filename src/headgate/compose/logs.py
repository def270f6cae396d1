"""Wires the logs of a gate: their files, their form, and what its processes agree on."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from headgate.config import Log, LogFormat
from headgate.events import Emit
from headgate.telemetry import event_log
from headgate.telemetry.access_log import AccessLog
from headgate.telemetry.console import Console, is_coloured
from headgate.telemetry.counters import CounterRow
from headgate.telemetry.log_control import LogControl
from headgate.telemetry.log_file import LogFile
from headgate.telemetry.process_logs import OnDebug, ProcessLogs
from headgate.telemetry.sampling import Sampling


def start_event_log(settings: Log) -> None:
    """Write events to standard error from now on, or to their file.

    Raises:
        HeadgateError: the file cannot be opened.
    """
    file = None if settings.events_file is None else LogFile(settings.events_file)
    event_log.configure(sys.stderr, file, _console(settings, file, sys.stderr))


class GateLogs:
    """The logs of a gate, opened before its workers are forked.

    Args:
        settings: of the configuration with which the gate starts.

    ``control``: what all processes agree on.

    Raises:
        HeadgateError: a file cannot be opened.
    """

    def __init__(self, settings: Log) -> None:
        self._settings = settings
        self._file = None
        if settings.access and settings.file is not None:
            self._file = LogFile(settings.file)
        self.control = LogControl()

    @property
    def fd(self) -> int:
        """Where lines of the access log are written, and metrics for CloudWatch."""
        return sys.stdout.fileno() if self._file is None else self._file.fd

    def of_process(
        self, emit: Emit, *, tells: bool = False, on_debug: OnDebug | None = None
    ) -> ProcessLogs:
        """The logs of one process."""
        files = [each for each in (self._file, event_log.file_in_use()) if each is not None]
        return ProcessLogs(self.control, files, emit, tells=tells, on_debug=on_debug)

    def access_log(self, losses: CounterRow, emit: Emit) -> AccessLog | None:
        """The access log of one worker, if there is one."""
        if not self._settings.access:
            return None
        console = _console(self._settings, self._file, sys.stdout)
        return AccessLog(self.fd, losses=losses, emit=emit, console=console)


def sampling(settings: Log) -> Sampling | None:
    """The rules in force, if any request may be left out."""
    found = Sampling(settings)
    return found if found.is_needed else None


def _console(settings: Log, file: LogFile | None, stream: TextIO) -> Console | None:
    if settings.format is LogFormat.JSON:
        return None
    fd = stream.fileno() if file is None else file.fd
    return Console(colours=is_coloured(fd, os.environ))
