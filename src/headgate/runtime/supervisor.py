"""The worker processes of a gate: started, watched, replaced when they die, stopped together.

The supervisor only forks, waits and passes signals on.  It serves nothing itself, runs no event
loop and reads nothing from disk, so that little can go wrong in it.  A link to each worker
(``link.py``) carries when it serves, why it cannot, and what it leaves to the one that replaces it;
a pipe to all of them shows when the supervisor is gone.
"""

from __future__ import annotations

import contextlib
import gc
import math
import os
import selectors
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Protocol

from headgate.errors import HeadgateError
from headgate.events import (
    Emit,
    EndCause,
    GateStopping,
    LogsKept,
    WorkerEnded,
    WorkerNotReplaced,
    WorkerReplaced,
    WorkersKilled,
)
from headgate.runtime.link import (
    CANNOT,
    KEEPS,
    MESSAGE_BYTES,
    PREPARED,
    RELOADED,
    SERVES,
    Ends,
    Kept,
    Link,
)
from headgate.runtime.processes import Process, WorkerBody, be_worker
from headgate.runtime.replacements import Replacements
from headgate.runtime.service_manager import BEATING_SECONDS, ServiceManager
from headgate.runtime.signals import LOG_SIGNALS, PASSED_ON, STOPS, handled, kill
from headgate.runtime.worker_health import STUCK_SECONDS, Heartbeats, WorkerHealth

CUT_SHORT_SECONDS = 10.0
"""The longest time for workers to stop after a second signal, when they wait for no request."""


class Logs(Protocol):
    """The logs of this process."""

    @property
    def has_files(self) -> bool:
        """Whether there is any file to open again."""
        ...

    def reopen_all(self) -> None:
        """Open the files again, in every process."""

    def look(self) -> None:
        """Do what is due; to be called about twice a second."""


class Supervisor:
    """Keeps ``count`` worker processes alive, each running ``body``.

    Args:
        count: how many.
        body: what each of them does.
        prepare: called here with a worker's number before that worker is replaced.
        patience: seconds that workers may take to stop; those that are left then are killed.
        heartbeats: in memory shared with the workers.
        emit: takes the events.
        stuck_after: seconds for which a worker's event loop may stand still.
        reloads: whether SIGHUP reloads; if not, a terminal is gone, and it stops the gate.
        logs: opened again on SIGUSR1.
        stopping: called when the gate begins to stop, before a worker gets the signal.
        ended: called with the number of a worker that has ended.
        tick: called twice a second with the number of workers that serve.
        clock: gives seconds from an arbitrary start.
        manager: the service manager, which hears how the gate is.
        prepared: called once all workers wait to accept connections.
        kept: what the workers of the gate before have left.
    """

    def __init__(
        self,
        count: int,
        body: WorkerBody,
        prepare: Callable[[int], None],
        patience: float,
        heartbeats: Heartbeats,
        emit: Emit,
        *,
        stuck_after: float = STUCK_SECONDS,
        reloads: bool = True,
        logs: Logs | None = None,
        stopping: Callable[[], None] = lambda: None,
        ended: Callable[[int], None] = lambda _number: None,
        tick: Callable[[int], None] = lambda _serving: None,
        clock: Callable[[], float] = time.monotonic,
        manager: ServiceManager | None = None,
        prepared: Callable[[], None] = lambda: None,
        kept: Kept | None = None,
    ) -> None:
        self._count = count
        self._body = body
        self._prepare = prepare
        self._patience = patience
        self._heartbeats = heartbeats
        self._emit = emit
        self._reloads = reloads
        self._logs = logs
        self._on_stop = stopping
        self._on_end = ended
        self._tick = tick
        self._clock = clock
        self._manager = ServiceManager() if manager is None else manager
        self._health = WorkerHealth(heartbeats, emit, stuck_after, clock())
        self._processes: dict[int, Process] = {}  # by pid
        self._replacements = Replacements(clock)
        self._kept = Kept() if kept is None else kept
        self._when_prepared = prepared
        self._prepared = False
        self._trouble: HeadgateError | None = None
        self._selector = selectors.DefaultSelector()
        self._announced = False
        self._stopping = self._leaving = False
        self._stopped_by = math.inf  # when patience ends
        self._signals: list[int] = []  # to be emitted outside the handler

    def run(self, ready: Callable[[], None]) -> None:
        """Start the workers and stay until all have stopped; ``ready``: all of them serve.

        Raises:
            HeadgateError: a worker cannot start at first, or ``ready`` raised it: the workers have
                let their requests finish then.
        """
        lifeline = os.pipe()
        try:
            with handled(self._on_signal) as woken:
                self._selector.register(woken, selectors.EVENT_READ, None)
                try:
                    for number in range(self._count):
                        self._start(number, lifeline, replaces=False)
                    self._follow(ready, lifeline)
                finally:
                    self._kill_all()
        finally:
            for end in lifeline:
                os.close(end)
            self._selector.close()
            self._kept.close()

    def _follow(self, ready: Callable[[], None], lifeline: tuple[int, int]) -> None:
        """Follow the workers until there is none."""
        while self._processes or (self._replacements and not self._stopping):
            for key, _ in self._selector.select(self._pause()):
                if key.data is None:
                    os.read(key.fd, MESSAGE_BYTES)  # a signal
                elif not isinstance(key.data, Process):
                    key.data()
                elif key.fd == key.data.ends.output:
                    if not key.data.drain_output():  # its end
                        self._selector.unregister(key.fd)
                else:
                    self._listen(key.data)
            self._emit_signals()
            self._reap()
            self._look_at_start(ready)
            self._check_heartbeats()
            self._start_due(lifeline)
            if self._stopped_by <= self._clock():
                self._stopped_by = math.inf
                self._emit(WorkersKilled(len(self._processes)))
                self._signal_all(signal.SIGKILL)
        if self._trouble is not None:
            raise self._trouble

    def _look_at_start(self, ready: Callable[[], None]) -> None:
        """Go on with the start, once all workers have come so far."""
        if self._announced or self._stopping:
            return
        processes = self._processes.values()
        if not self._prepared and all(each.prepared for each in processes):
            self._prepared = True
            self._when_prepared()
        if all(each.serves for each in processes):
            try:
                ready()
            except HeadgateError as error:
                self._trouble = error
                self.leave(self._patience)
                return
            self._announced = True
            self._manager.ready(self._count)

    def watch(self, file: int, call: Callable[[], None]) -> None:
        """Call back whenever ``file`` can be read."""
        self._selector.register(file, selectors.EVENT_READ, call)

    def unwatch(self, file: int) -> None:
        """Call no more."""
        with contextlib.suppress(KeyError):
            self._selector.unregister(file)

    def kept_files(self) -> dict[str, int]:
        """What the workers have left, by kind; the descriptors stay owned here."""
        return self._kept.files()

    def leave(self, patience: float) -> None:
        """Let the workers end by themselves, in ``patience`` seconds; none is replaced."""
        if self._stopping:
            return  # they end already, and a second signal would cut requests off
        self._stopping = self._leaving = True
        self._stopped_by = self._clock() + patience
        self._signal_all(signal.SIGTERM)

    def _pause(self) -> float:
        """How long to wait for the workers."""
        moment = min(self._stopped_by, self._health.due, self._replacements.next_at)
        return max(0.0, moment - self._clock())

    def _start_due(self, lifeline: tuple[int, int]) -> None:
        """Start the workers whose pause is over."""
        for number in self._replacements.take_due():
            try:
                self._prepare(number)
                self._start(number, lifeline, replaces=True)
            except (HeadgateError, OSError) as error:  # the port is taken, or no memory is left
                self._emit(WorkerNotReplaced(number, str(error)))
                self._replacements.postpone(number)

    # --- messages of workers ---------------------------------------------------------------

    def _listen(self, process: Process) -> None:
        """Take the messages of a worker."""
        while (received := process.ends.receive()) is not None:
            message, file = received
            if message.startswith(KEEPS) and file is not None:
                self._kept.replace(message.removeprefix(KEEPS).decode(), file)
                continue
            if file is not None:
                os.close(file)
            if not message:  # it has closed its end, and is about to be gone
                if process.ends.channel in self._selector.get_map():
                    self._selector.unregister(process.ends.channel)
                return
            if message == PREPARED:
                process.prepared = True
            if message == SERVES and not process.serves:
                process.serves = True
                if process.replaces:
                    self._emit(WorkerReplaced(process.number, process.pid))
            if message.startswith(RELOADED):
                refused = message.removeprefix(RELOADED).decode(errors="replace")
                self._manager.reloaded(process.pid, refused)
            if message.startswith(CANNOT):
                process.trouble = message.removeprefix(CANNOT).decode(errors="replace")

    def _check_heartbeats(self) -> None:
        """Check heartbeats and raw output, if it is time."""
        now = self._clock()
        if now < self._health.due:
            return
        if self._logs is not None:
            self._logs.look()
        self._health.look(tuple(self._processes.values()), now)
        serving = [each for each in self._processes.values() if each.serves]
        beating = [each for each in serving if each.pulse.silent < BEATING_SECONDS]
        self._tick(len(serving))
        self._manager.look(len(serving), len(beating), self._count)

    # --- processes -------------------------------------------------------------------------

    def _start(self, number: int, lifeline: tuple[int, int], *, replaces: bool) -> None:
        # Until each side has its own handlers a signal would be taken for the other one's.
        signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
        try:
            if not self._stopping:
                self._fork(number, lifeline, replaces=replaces)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)

    def _fork(self, number: int, lifeline: tuple[int, int], *, replaces: bool) -> None:
        self._heartbeats.beat(number, 0)
        ends = Ends()
        # Pages with what is loaded by now stay shared: a collection of garbage in a worker would
        # write to each of these objects.
        gc.freeze()
        try:
            pid = os.fork()
        except OSError:
            ends.close_theirs()
            ends.close()
            raise
        if pid == 0:
            os.close(lifeline[1])
            for other in self._processes.values():
                other.ends.close()
            ends.close()
            link = Link(
                number,
                lifeline[0],
                replaces,
                ends.their_output,
                ends.theirs,
                self._kept,
                lambda value: self._heartbeats.beat(number, value),
            )
            be_worker(self._body, link, self._emit)
        ends.close_theirs()
        process = Process(pid, number, self._clock(), ends, replaces)
        self._processes[pid] = process
        self._selector.register(ends.channel, selectors.EVENT_READ, process)
        self._selector.register(ends.output, selectors.EVENT_READ, process)

    def _reap(self) -> None:
        """Wait for the workers that have ended."""
        for process in tuple(self._processes.values()):
            pid, status = os.waitpid(process.pid, os.WNOHANG)
            if pid:
                self._schedule_replacement(process, os.waitstatus_to_exitcode(status))

    def _schedule_replacement(self, process: Process, code: int) -> None:
        """Let another worker take the place of one that has ended with ``code``.

        Raises:
            HeadgateError: it could not start at first, when the gate has not been announced yet.
        """
        self._heartbeats.clear_gauges(process.number)
        self._listen(process)
        output = process.take_output()
        for end in (process.ends.channel, process.ends.output):
            if end in self._selector.get_map():
                self._selector.unregister(end)
        process.ends.close()
        del self._processes[process.pid]
        self._on_end(process.number)
        self._manager.reloaded(process.pid)  # the one that replaces it reads what is new
        if self._stopping:
            return
        if not self._announced:
            raise HeadgateError(process.trouble or "a worker could not start; the log says why")
        cause = EndCause.STUCK if process.stuck else EndCause.SIGNAL if code < 0 else EndCause.EXIT
        self._emit(
            WorkerEnded(
                process.number, process.pid, cause, code, process.trouble or None, output or None
            )
        )
        self._replacements.schedule(process.number, process.started)

    # --- signals ---------------------------------------------------------------------------

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP and not self._reloads:
            number = signal.SIGINT
        if number in STOPS:
            cut_short = self._stopping and not self._leaving
            patience = CUT_SHORT_SECONDS if cut_short else self._patience
            self._stopped_by = min(self._stopped_by, self._clock() + patience)
            self._stopping, self._leaving = True, False
            self._on_stop()
        elif number == signal.SIGHUP:
            serving = [pid for pid, each in self._processes.items() if each.serves]
            self._manager.await_reload(serving)
        if number in PASSED_ON:
            self._signal_all(number)
        self._signals.append(number)

    def _emit_signals(self) -> None:
        """Emit the signals that came; the handler does not, since it may interrupt a log line."""
        while self._signals:
            number = signal.Signals(self._signals.pop(0))
            if number in STOPS:
                self._emit(GateStopping(number.name))
                self._manager.stopping(max(0.0, self._stopped_by - self._clock()))
            elif number == signal.SIGHUP:
                self._manager.reloading()
            elif number == signal.SIGUSR1 and self._logs is not None and self._logs.has_files:
                self._logs.reopen_all()
            elif number in LOG_SIGNALS:
                self._emit(LogsKept(number.name))

    def _signal_all(self, number: int) -> None:
        for pid in tuple(self._processes):
            kill(pid, number)

    def _kill_all(self) -> None:
        self._signal_all(signal.SIGKILL)
        for process in self._processes.values():
            os.waitpid(process.pid, 0)
            process.ends.close()
