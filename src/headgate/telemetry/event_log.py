"""The event log: JSON lines on standard error or in a file, of the same shape as the access log's.

It is written through ``logging``, so that it has what libraries log too.
"""

from __future__ import annotations

import json
import logging
import os
import stat
import time
from typing import Final, TextIO

from headgate.events import Event, Level, Log, LossCause
from headgate.telemetry.console import Console
from headgate.telemetry.line_sink import Losses, NoLosses, cause_of, ends_open
from headgate.telemetry.log_file import LogFile
from headgate.telemetry.pipe import unblocked
from headgate.telemetry.redact import without_keys

STANDARD_ERROR = 2
_LEVELS: Final = {
    Level.DEBUG: logging.DEBUG,
    Level.INFO: logging.INFO,
    Level.WARNING: logging.WARNING,
    Level.ERROR: logging.ERROR,
}


def log_event(event: Event) -> None:
    """The sink that writes events to the log."""
    logging.getLogger(event.logger).log(
        _LEVELS[event.level],
        "%s",
        event.message(),
        exc_info=getattr(event, "error", None),
        extra={"event": event},
    )


class JsonFormatter(logging.Formatter):
    """One line for each record; an exception is its own field, with its whole trace."""

    def format(self, record: logging.LogRecord) -> str:
        """Render a record; control characters are escaped, so that no text can forge a line."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, object] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "event": "log",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "pid": record.process,
        }
        event: Event | None = getattr(record, "event", None)
        if event is not None:
            line |= {"event": event.name, **event.fields()}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return without_keys(json.dumps(line))


class ConsoleFormatter(JsonFormatter):
    """The same for a person at a terminal."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def format(self, record: logging.LogRecord) -> str:
        """Render a record."""
        return self._console.line(super().format(record)).removesuffix("\n")


class EventHandler(logging.Handler):
    """Writes events to ``stream``, or to ``file``.

    ``losses`` counts events that are lost.

    Events are logged by the thread that serves clients.  So when the stream is a pipe whose reader
    does not read, an event that finds no room in it is left out, and the next one that does says
    how many.
    """

    def __init__(
        self, stream: TextIO, file: LogFile | None = None, console: Console | None = None
    ) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter() if console is None else ConsoleFormatter(console))
        self.file = file
        self._stream = stream
        self._fd = _own(stream) if file is None else file.fd
        self._counts_losses = console is None
        self._is_file = self._fd is not None and stat.S_ISREG(os.fstat(self._fd).st_mode)
        self._cut = False
        self._lost = 0
        self._cuts = 0
        self.losses: Losses = NoLosses()

    def emit(self, record: logging.LogRecord) -> None:
        """Write one event."""
        try:
            line = self.format(record) + "\n"
            if self._fd is None:
                self._stream.write(line)
                self._stream.flush()
            else:
                self._write(self._fd, line.encode("ascii"))
        except BlockingIOError:
            self._lose(LossCause.STALLED)
        except OSError as error:  # the disk is full, or the reader is gone
            self._lose(cause_of(error))
        except ValueError:  # the stream is closed
            self._lose(LossCause.GONE)

    def close(self) -> None:
        """Close the file descriptor."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        super().close()

    def _write(self, fd: int, line: bytes) -> None:
        if self._lost and self._counts_losses:
            line = b'%b, "events_lost": %d}\n' % (line.removesuffix(b"}\n"), self._lost)
        elif self._lost:
            line = b"(%d events lost before this one) %b" % (self._lost, line)
        cuts = self.losses.cuts()
        if (self._cut or cuts != self._cuts) and ends_open(fd, unsure=self._cut):
            line = b"\n" + line
        self._cuts = cuts
        written = os.write(fd, line)
        self._lost = 0
        self._cut = written < len(line)
        if self._cut:  # where only its end is missing, the next one begins with that
            self._lose(
                LossCause.FULL if self._is_file else LossCause.STALLED, int(written < len(line) - 1)
            )

    def _lose(self, cause: LossCause, events: int = 1) -> None:
        self._lost += events
        self.losses.lose(Log.EVENTS, cause, events)


def _own(stream: TextIO) -> int | None:
    """A file descriptor of its own for ``stream``: what is written to it stays whole.

    The one of the stream may be led elsewhere (``divert``).
    """
    try:
        fd = stream.fileno()
        own = unblocked(fd)
        return os.dup(fd) if own is None else own
    except OSError:  # it is none of the operating system's
        return None


def configure(stream: TextIO, file: LogFile | None = None, console: Console | None = None) -> None:
    """Send the gate's events to ``stream``, with the warnings and errors of libraries.

    Args:
        stream: where to.
        file: where to, instead.
        console: makes lines for a person; without it they are JSON.
    """
    handler = EventHandler(stream, file, console)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("headgate").setLevel(logging.INFO)
    logging.captureWarnings(True)


def set_level(module: str, level: Level | None) -> None:
    """Log events of a part of the gate from this level on; ``None``: from the usual one."""
    number = logging.NOTSET if level is None else _LEVELS[level]
    logging.getLogger(f"headgate.{module}").setLevel(number)


def file_in_use() -> LogFile | None:
    """The file that events are written to, if that is one."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, EventHandler):
            return handler.file
    return None


def count_losses(losses: Losses) -> None:
    """Count events that are lost there from now on."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, EventHandler):
            handler.losses = losses


def divert(output: int) -> None:
    """Redirect standard error to the file descriptor ``output``; the event log keeps the real one.

    So that only events are written there: not the stack traces of the interpreter, nor what a
    library of C prints.  Without an event log nothing is changed.
    """
    if any(isinstance(each, EventHandler) for each in logging.getLogger().handlers):
        os.dup2(output, STANDARD_ERROR)
