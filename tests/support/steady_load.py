"""Requests that go on while something happens: threads, each on a connection that is kept."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.support.patience import patience
from tests.support.raw import RawClient, request_head

PAUSE = 0.01
"""Seconds between two requests of a thread, so that the servers are not short of CPU time."""
STOP_SECONDS = 60.0


@dataclass(frozen=True)
class Sender:
    """Where to send to, and what."""

    host: str
    port: int
    target: str
    fields: Sequence[str] = ()


@dataclass
class SteadyLoad:
    """What has come of the requests so far.

    Attributes:
        times: seconds that each response took.
        failures: what came in place of a 200, each with the number of the sender.
    """

    times: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def wait_for(self, requests: int) -> None:
        """Wait until so many further requests were responded to.

        Raises:
            AssertionError: they take longer than a minute.
        """
        goal, until = len(self.times) + requests, time.monotonic() + patience(STOP_SECONDS)
        while len(self.times) < goal:
            assert time.monotonic() < until, f"{len(self.times)} of {goal} requests"
            self._stopping.wait(PAUSE)


@contextmanager
def steady_load(senders: Sequence[Sender]) -> Iterator[SteadyLoad]:
    """Send until the block ends; each sender waits for a response before it sends again."""
    load = SteadyLoad()
    threads = [
        threading.Thread(target=_send, args=(load, number, sender), daemon=True)
        for number, sender in enumerate(senders)
    ]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load._stopping.set()
        for thread in threads:
            thread.join(STOP_SECONDS)


def _send(load: SteadyLoad, number: int, sender: Sender) -> None:
    head = request_head("GET", sender.target, *sender.fields)
    while not load._stopping.is_set():
        with contextlib.ExitStack() as stack:
            try:
                client = stack.enter_context(RawClient(sender.host, sender.port))
                while not load._stopping.wait(PAUSE):
                    started = time.perf_counter()
                    client.send(head)
                    response = client.response()
                    load.times.append(time.perf_counter() - started)
                    if response.status != 200:
                        reason = response.get("X-Headgate-Reason")
                        load.failures.append(f"{number}: {response.status} {reason}")
            except (OSError, AssertionError) as error:
                load.failures.append(f"{number}: {error!r}")
                load._stopping.wait(PAUSE)
