"""Several MLflow servers on one database, each at an address of its own, as ECS runs tasks.

All listen at one port, as an A record names none.  In front of each stands a proxy that misbehaves
on command and counts what is sent to the server.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from headgate.contract import classify
from headgate.model import Retry
from headgate.testing.fault_proxy import Fault, FaultProxy
from headgate.testing.request_log import Arrival, RequestLog
from tests.support.mlflow_server import MlflowServer, running_mlflow
from tests.support.ports import free_port
from tests.support.postgres import running_postgres
from tests.support.processes import POLL_SECONDS

STOP_SECONDS = 30.0
_FIRST_ADDRESS = 2  # of 127.0.0.0/8; the first one is everybody's


@dataclass
class Task:
    """One MLflow server and the proxy in front of it."""

    server: MlflowServer
    proxy: FaultProxy
    _server: ExitStack

    @property
    def address(self) -> str:
        """Where it is found."""
        return self.proxy.host

    def hang(self) -> None:
        """Let the server stand still."""
        os.killpg(self.server.process.pid, signal.SIGSTOP)

    def wake(self) -> None:
        """Let it go on."""
        os.killpg(self.server.process.pid, signal.SIGCONT)

    def stop(self) -> None:
        """Stop the server as ECS does, with SIGTERM: it finishes what it was asked, and is gone."""
        self.proxy.set(Fault.LEAVE)
        os.killpg(self.server.process.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while self._lives() and time.monotonic() < deadline:
            threading.Event().wait(POLL_SECONDS)
        self._server.close()

    def close(self) -> None:
        """Stop the server, however it is."""
        self.wake()
        self._server.close()

    def _lives(self) -> bool:
        """Whether any process of the server is there still."""
        if self.server.process.exit_code is None:  # asked first: it also reaps the process
            return True
        try:
            os.killpg(self.server.process.pid, 0)
        except ProcessLookupError:
            return False
        return True


@dataclass
class Fleet:
    """The tasks that run now.

    ``port`` is that of all.  ``requests``: what was sent to any of them, also to those that are
    gone, in the order of time.
    """

    folder: Path
    database: str
    tasks: list[Task] = field(default_factory=list)
    port: int = field(default_factory=free_port)
    requests: RequestLog = field(default_factory=RequestLog)
    _given: int = 0  # addresses
    _stack: ExitStack = field(default_factory=ExitStack)

    @property
    def addresses(self) -> list[str]:
        """Where the tasks that run now are found."""
        return [task.address for task in self.tasks]

    @property
    def endpoints(self) -> set[str]:
        """The same with the port."""
        return {f"{address}:{self.port}" for address in self.addresses}

    def start(self) -> Task:
        """Start one more task, at an address that none has had before."""
        folder = self.folder / f"task-{self._given}"
        folder.mkdir()
        with ExitStack() as stack:
            server = stack.enter_context(
                running_mlflow(
                    folder,
                    {"MLFLOW_SERVER_ALLOWED_HOSTS": "*"},
                    database=self.database,
                    artifacts=self.folder / "artifacts",
                )
            )
            task = Task(server, self._new_address(server), stack.pop_all())
        self.tasks.append(task)
        return task

    def move(self, task: Task) -> None:
        """Give a task another address; at the one it had nothing listens from now on.

        To clients that is a task replaced, without the time that a new server takes to start.
        """
        task.proxy.set(Fault.LEAVE)
        task.proxy = self._new_address(task.server)

    def stop(self, task: Task) -> None:
        """Stop a task for good."""
        self.tasks.remove(task)
        task.stop()

    def heal(self) -> None:
        """Let every task work again."""
        for task in self.tasks:
            task.proxy.set()
            task.wake()

    def close(self) -> None:
        """Stop everything."""
        for task in self.tasks:
            task.close()
        self._stack.close()

    def _new_address(self, server: MlflowServer) -> FaultProxy:
        """Listen for a server where none was found before."""
        address = f"127.0.0.{_FIRST_ADDRESS + self._given}"
        proxy = FaultProxy(address, self.port, (server.host, server.port), self.requests)
        self._stack.enter_context(proxy)
        self._given += 1
        return proxy


@contextmanager
def running_fleet(folder: Path, size: int) -> Iterator[Fleet]:
    """Run ``size`` tasks on a PostgreSQL of their own until the block ends."""
    with running_postgres(folder) as database:
        fleet = Fleet(folder, database)
        try:
            for _ in range(size):
                fleet.start()
            yield fleet
        finally:
            fleet.close()


def sent_twice(arrivals: Sequence[Arrival], *, by_one: bool = False) -> list[str]:
    """Paths of the ``POST`` requests that were sent to MLflow twice though that is not safe.

    Safe are those of which the contract says that a second time changes nothing more.  ``by_one``:
    count what bears one request id, which the client did not send a second time.
    """
    counts = Counter(
        (each.path, each.digest, each.request_id if by_one else "")
        for each in arrivals
        if each.method == "POST" and not _is_safe(each)
    )
    return [path for (path, *_), count in counts.items() if count > 1]


def _is_safe(arrival: Arrival) -> bool:
    operation = classify(b"POST", arrival.path.encode("latin-1"))
    return operation is not None and operation.retry is Retry.SAFE
