"""The helper process that reads large bodies, as a worker sees it.

``json`` holds the interpreter's lock while it parses, so that a thread would not help: the loop
would stand still all the same.  The process is started when it is first needed and ended when it
has had nothing to do for a while.  It reads one body at a time; how long that may take and how many
requests may wait for it is bounded.  When it fails, the request is refused and the next one gets a
new process.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

from headgate.config import Shields
from headgate.dataplane.failures import RETRY_AFTER
from headgate.decide.examination import Finding
from headgate.errors import Refusal
from headgate.events import BodyReaderFailed, Emit
from headgate.model import ObjectField, Operation
from headgate.reasons import BY_CODE, Reason
from headgate.shields.trace_locations import TraceLocation
from headgate.tasks import FairTimeout

MOST_SECONDS: Final = 20.0
"""For one body, the start of the process included."""
MOST_WAITING: Final = 16
IDLE_SECONDS: Final = 30.0
_SHOWN_FIELDS: Final = (b"content-type", b"content-encoding")
_KEPT_VARIABLES: Final = ("PATH", "PYTHONPATH", "PYTHONHOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH")
"""What the process needs of the environment, where secrets stand too."""


class Examiner:
    """Reads bodies in another process; one for each worker.

    Args:
        emit: takes the events.
    """

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._process: _Process | None = None
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._ending: asyncio.TimerHandle | None = None

    async def examine(
        self,
        method: bytes,
        path: bytes,
        operation: Operation,
        version: str,
        fields: Sequence[ObjectField] | None,
        shields: Shields,
        header: Mapping[bytes, bytes],
        body: bytes,
    ) -> Finding:
        """What ``examination.examine`` says of a body that is not small.

        Args:
            method: of the request.
            path: the canonical one, which the process classifies again.
            operation: what that comes to.
            version: of the MLflow that it goes to, or empty.
            fields: where objects are named that have to be judged, if any has to be.
            shields: the settings of the shields.
            header: the values of the header fields that the gate reads, by lower-case name.
            body: all of it.
        """
        if self._waiting >= MOST_WAITING:
            return Finding(_BUSY)
        question = {
            "method": method.decode("ascii"),
            "path": path.decode("ascii"),
            "version": version,
            "fields": None
            if fields is None
            else [operation.objects.index(each) for each in fields],
            "shields": shields.model_dump_json(),
            "header": {
                name.decode("ascii"): header[name].decode("latin-1")
                for name in _SHOWN_FIELDS
                if name in header
            },
        }
        self._waiting += 1
        try:
            async with self._turn:
                response = await self._ask(json.dumps(question).encode("ascii"), body)
        finally:
            self._waiting -= 1
        return Finding(_FAILED) if response is None else _finding(response, operation)

    def close(self) -> None:
        """End the process, if there is one."""
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None
        process, self._process = self._process, None
        if process is not None:
            process.close()

    async def _ask(self, question: bytes, body: bytes) -> dict[str, Any] | None:
        """The response of the process, or None when it fails or takes too long."""
        if self._ending is not None:
            self._ending.cancel()
        try:
            async with FairTimeout(MOST_SECONDS):
                if self._process is None:
                    self._process = await _Process.start()
                response = await self._process.ask(question, body)
        except (TimeoutError, OSError, EOFError, ValueError) as error:
            self._emit(BodyReaderFailed(repr(error)))
            self.close()
            return None
        except BaseException:  # the client has left, and what comes next is not for another
            self.close()
            raise
        self._ending = asyncio.get_running_loop().call_later(IDLE_SECONDS, self.close)
        return response


class _Process:
    """A running helper process, and the socket to it, which is its standard input and output."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer

    @classmethod
    async def start(cls) -> _Process:
        own, its = socket.socketpair()
        with its:
            try:
                process = _popen(its)
            except OSError:
                own.close()
                raise
        own.setblocking(False)
        return cls(process, *await asyncio.open_connection(sock=own))

    async def ask(self, question: bytes, body: bytes) -> dict[str, Any]:
        """Send a question and a body; the response.

        Raises:
            EOFError: the process has ended.
            OSError: the same.
            ValueError: its response is something else.
        """
        for part in (question, body):
            self._writer.write(len(part).to_bytes(4, "big"))
            self._writer.write(part)
        await self._writer.drain()
        size = int.from_bytes(await self._reader.readexactly(4), "big")
        response = json.loads(await self._reader.readexactly(size))
        if not isinstance(response, dict):
            raise ValueError(f"a {type(response).__name__} came")
        return response

    def close(self) -> None:
        """Kill it."""
        self._writer.transport.abort()
        self._process.kill()
        # It may hold much memory, which takes a moment to be given back: the loop does not wait.
        threading.Thread(target=self._process.wait, name="reap", daemon=True).start()


def _popen(connection: socket.socket) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        (sys.executable, "-P", "-m", "headgate.decide.examiner_process"),
        stdin=connection.fileno(),
        stdout=connection.fileno(),
        stderr=subprocess.DEVNULL,
        env={name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ},
        start_new_session=True,  # a Ctrl-C in the terminal is for the gate
    )


def _finding(response: Mapping[str, Any], operation: Operation) -> Finding:
    refusal = response.get("refusal")
    if refusal is not None:
        return Finding(Refusal(**{**refusal, "reason": BY_CODE[refusal["reason"]]}))
    return Finding(
        None,
        tuple(
            tuple((operation.objects[at], value) for at, value in reading)
            for reading in response["readings"]
        ),
        tuple(TraceLocation(*each) for each in response["places"]),
    )


_BUSY: Final = Refusal(
    Reason.OVERLOADED,
    "Headgate is busy: too many large request bodies are being read. Nothing was sent to MLflow; "
    "send this request again in a moment.",
    retry_after=RETRY_AFTER,
    detail="examiner: queue full",
)
_FAILED: Final = Refusal(
    Reason.BODY_TOO_LARGE,
    f"Headgate refused the request: its body could not be read within {MOST_SECONDS:g} s and the "
    "memory for that. Send it in parts.",
    detail="examiner: failed, killed or out of time",
)
