"""Events of the logs themselves: their files, and how much they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headgate.events.event import Event, Level


@dataclass(frozen=True, slots=True)
class LogsReopened(Event):
    """The log files were opened again, because SIGUSR1 came.

    Attributes:
        files: their paths.
    """

    name: ClassVar[str] = "logs_reopened"
    logger: ClassVar[str] = "headgate.telemetry"

    files: tuple[str, ...]

    def message(self) -> str:
        return f"opened again: {', '.join(self.files)}"


@dataclass(frozen=True, slots=True)
class LogNotReopened(Event):
    """A log file could not be opened again: lines go on to the file before.

    Attributes:
        file: its path.
        problem: the system's error.
    """

    name: ClassVar[str] = "log_not_reopened"
    level: ClassVar[Level] = Level.ERROR
    logger: ClassVar[str] = "headgate.telemetry"

    file: str
    problem: str

    def message(self) -> str:
        return (
            f"{self.file} cannot be opened again ({self.problem}): lines go on to the file that "
            "was open before. Mend that, and send SIGUSR1 again"
        )


@dataclass(frozen=True, slots=True)
class LogFileRemoved(Event):
    """A log file was removed, not renamed: the gate has created it anew.

    Attributes:
        file: its path.
    """

    name: ClassVar[str] = "log_file_removed"
    level: ClassVar[Level] = Level.WARNING
    logger: ClassVar[str] = "headgate.telemetry"

    file: str

    def message(self) -> str:
        return f"{self.file} was removed, with the latest lines in it; it is created anew"


@dataclass(frozen=True, slots=True)
class LogLevelSet(Event):
    """The level of a part of the gate was set through the admin API, for a while.

    Attributes:
        module: the part; `all` if all are back at their usual level.
        set_to: its level.
        seconds: how long; none: it is its usual level.
        actor: who did it, by the principal's name.
        actor_id: the id of that principal.
        credential: the id of the key or token that was shown.
    """

    name: ClassVar[str] = "log_level_set"
    level: ClassVar[Level] = Level.WARNING
    logger: ClassVar[str] = "headgate.levels"

    module: str
    set_to: str
    seconds: float | None
    actor: str
    actor_id: str
    credential: str

    def message(self) -> str:
        how_long = "" if self.seconds is None else f" for {self.seconds:g} s"
        return (
            f"the log level of {self.module} is {self.set_to}{how_long}, set by '{self.actor}' "
            f"({self.actor_id}) with {self.credential or 'no credential'}"
        )


@dataclass(frozen=True, slots=True)
class LogLevelEnded(Event):
    """The time for which the level of a part of the gate was set is over.

    Attributes:
        module: the part.
    """

    name: ClassVar[str] = "log_level_ended"
    logger: ClassVar[str] = "headgate.levels"

    module: str

    def message(self) -> str:
        return f"the log level of {self.module} is back at its usual level: its time is over"
