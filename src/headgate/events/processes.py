"""Events of the gate and its worker processes."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import ClassVar

from headgate.events.event import Event, Level


class EndCause(enum.StrEnum):
    """Why a worker ended while it should serve.

    ``STUCK``: its event loop stood still and it was killed.  ``SIGNAL``: a signal ended it.
    ``EXIT``: it ended itself.
    """

    STUCK = "stuck"
    SIGNAL = "signal"
    EXIT = "exit"


@dataclass(frozen=True, slots=True)
class GateEvent(Event):
    """Something happened to the gate as a whole, or to one worker from its own point of view."""

    logger: ClassVar[str] = "headgate.runtime"


@dataclass(frozen=True, slots=True)
class GateStarted(GateEvent):
    """All workers serve.

    Attributes:
        version: of Headgate.
        host: the address that the gate listens on.
        port: the port.
        workers: how many workers there are.
    """

    name: ClassVar[str] = "started"
    logger: ClassVar[str] = "headgate"

    version: str
    host: str
    port: int
    workers: int

    def message(self) -> str:
        return (
            f"Headgate {self.version} serves on {self.host} port {self.port} with "
            f"{self.workers} worker(s)"
        )


@dataclass(frozen=True, slots=True)
class OpsListening(GateEvent):
    """Health and metrics are served on the operators' listener.

    Attributes:
        host: the address that it listens on.
        port: the port.
    """

    name: ClassVar[str] = "ops_listening"
    logger: ClassVar[str] = "headgate"

    host: str
    port: int

    def message(self) -> str:
        return f"health and metrics are served on {self.host} port {self.port}"


@dataclass(frozen=True, slots=True)
class OpsListenerOff(GateEvent):
    """The operators' listener cannot listen; the gate, or a worker, serves without it.

    Attributes:
        address: where it should listen.
        reason: why it cannot.
    """

    name: ClassVar[str] = "ops_listener_off"
    level: ClassVar[Level] = Level.WARNING
    logger: ClassVar[str] = "headgate"

    address: str
    reason: str

    def message(self) -> str:
        return f"no operators' listener on {self.address} (ops.listen; empty: none): {self.reason}"


@dataclass(frozen=True, slots=True)
class GateStopping(GateEvent):
    """A signal asks the gate to stop.

    Attributes:
        signal: its name.
    """

    name: ClassVar[str] = "stopping"

    signal: str

    def message(self) -> str:
        return f"{self.signal}: the gate stops"


@dataclass(frozen=True, slots=True)
class GateStopped(GateEvent):
    """The gate has stopped: no worker is left."""

    name: ClassVar[str] = "stopped"
    logger: ClassVar[str] = "headgate"

    def message(self) -> str:
        return "the gate has stopped"


@dataclass(frozen=True, slots=True)
class LameDuck(GateEvent):
    """A worker reports itself as not ready, and still serves new connections for a while.

    Attributes:
        seconds: for how long.
    """

    name: ClassVar[str] = "lame_duck"

    seconds: float

    def message(self) -> str:
        return f"not ready any more; new connections are served for {self.seconds:g} s more"


@dataclass(frozen=True, slots=True)
class Draining(GateEvent):
    """A worker takes no new connection and lets the requests under way finish.

    Attributes:
        requests: how many are under way.
        seconds: how long they may take.
    """

    name: ClassVar[str] = "draining"

    requests: int
    seconds: float

    def message(self) -> str:
        return (
            f"no new connection is taken; {self.requests} requests under way may take "
            f"{self.seconds:g} s more"
        )


@dataclass(frozen=True, slots=True)
class Drained(GateEvent):
    """Every request of a worker that stops has ended."""

    name: ClassVar[str] = "drained"

    def message(self) -> str:
        return "every request has ended"


@dataclass(frozen=True, slots=True)
class CutOff(GateEvent):
    """Requests did not finish in the time that a stop leaves them, and were cut off.

    Attributes:
        requests: how many.
    """

    name: ClassVar[str] = "cut_off"
    level: ClassVar[Level] = Level.WARNING

    requests: int

    def message(self) -> str:
        return f"{self.requests} requests were cut off by the stop"


@dataclass(frozen=True, slots=True)
class LogsKept(GateEvent):
    """A signal on which other servers reopen their logs came; the gate has no log file.

    Attributes:
        signal: its name.
    """

    name: ClassVar[str] = "logs_kept"

    signal: str

    def message(self) -> str:
        return (
            f"{self.signal}: the logs go to standard output and standard error, so there is no "
            "file to reopen"
        )


@dataclass(frozen=True, slots=True)
class SupervisorGone(GateEvent):
    """The supervisor has ended without its workers: this worker stops too."""

    name: ClassVar[str] = "supervisor_gone"
    level: ClassVar[Level] = Level.ERROR

    def message(self) -> str:
        return "the supervisor is gone; this worker stops too"


@dataclass(frozen=True, slots=True)
class ChecksNotShared(GateEvent):
    """There is no temporary folder, so each worker checks MLflow's APIs for itself.

    Attributes:
        reason: why.
    """

    name: ClassVar[str] = "checks_not_shared"
    logger: ClassVar[str] = "headgate"

    reason: str

    def message(self) -> str:
        return f"no temporary folder, so workers share no checks: {self.reason}"


@dataclass(frozen=True, slots=True)
class WorkerEvent(GateEvent):
    """Something happened to one worker process, as the supervisor sees it.

    Attributes:
        worker: its number, from 0; a replacement has the number of the worker that it replaces.
        worker_pid: its process id.
    """

    worker: int
    worker_pid: int

    def _subject(self) -> str:
        return f"worker {self.worker} (pid {self.worker_pid})"


@dataclass(frozen=True, slots=True)
class WorkerStuck(WorkerEvent):
    """A worker's event loop stands still, or did not start or end in time; the worker is killed.

    Attributes:
        seconds: for how long.
        stack: where its code stood, if that could be written.
        running: whether its event loop had started.
    """

    name: ClassVar[str] = "worker_stuck"
    level: ClassVar[Level] = Level.ERROR

    seconds: float
    stack: str
    running: bool

    def message(self) -> str:
        what = (
            "its event loop stands still for"
            if self.running
            else "it has not started, or not ended, within"
        )
        return f"{self._subject()} is stuck and is killed: {what} {self.seconds:g} s"


@dataclass(frozen=True, slots=True)
class WorkerStalled(WorkerEvent):
    """A worker's event loop stood still for a while, or was suspended; it goes on.

    Attributes:
        output: where its code stood.
    """

    name: ClassVar[str] = "worker_stalled"
    level: ClassVar[Level] = Level.WARNING

    output: str

    def message(self) -> str:
        return (
            f"{self._subject()} had an event loop that stood still for a while, or was suspended; "
            "it goes on"
        )


@dataclass(frozen=True, slots=True)
class WorkerOutput(WorkerEvent):
    """A worker wrote something besides its events to standard error.

    Attributes:
        output: what it wrote.
    """

    name: ClassVar[str] = "worker_output"
    level: ClassVar[Level] = Level.WARNING

    output: str

    def message(self) -> str:
        return f"{self._subject()} wrote to standard error"


@dataclass(frozen=True, slots=True)
class WorkerEnded(WorkerEvent):
    """A worker ended while it should serve; it is replaced.

    Attributes:
        cause: why: ``stuck``, ``signal`` or ``exit``.
        code: its exit code; the negative number of the signal that ended it.
        trouble: why it could not start, if it says so.
        output: what it had written to standard error, if anything.
    """

    name: ClassVar[str] = "worker_ended"
    level: ClassVar[Level] = Level.ERROR

    cause: EndCause
    code: int
    trouble: str | None
    output: str | None

    def message(self) -> str:
        how = f"by signal {-self.code}" if self.code < 0 else f"with exit code {self.code}"
        return f"{self._subject()} ended {how}{f': {self.trouble}' if self.trouble else ''}"


@dataclass(frozen=True, slots=True)
class WorkerReplaced(WorkerEvent):
    """A worker that replaces another one serves."""

    name: ClassVar[str] = "worker_replaced"

    def message(self) -> str:
        return f"{self._subject()} serves in place of the one that ended"


@dataclass(frozen=True, slots=True)
class WorkerNotReplaced(GateEvent):
    """A worker that ended cannot be replaced yet; it is tried again.

    Attributes:
        worker: its number.
        reason: why.
    """

    name: ClassVar[str] = "worker_not_replaced"
    level: ClassVar[Level] = Level.ERROR

    worker: int
    reason: str

    def message(self) -> str:
        return f"worker {self.worker} cannot be replaced yet: {self.reason}"


@dataclass(frozen=True, slots=True)
class WorkersKilled(GateEvent):
    """Workers did not stop in time and are killed.

    Attributes:
        count: how many.
    """

    name: ClassVar[str] = "workers_killed"
    level: ClassVar[Level] = Level.ERROR

    count: int

    def message(self) -> str:
        return f"{self.count} workers did not stop and are killed"
