"""Runs the MLflow of ``headgate up``, and changes its version when an upgrade asks for it.

What is wanted is in a file of the data folder (``headgate.deploy.mlflow.hosts.up_files``), which is
looked at a few times a second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from headgate.cli.embedded import EmbeddedServer, server_command
from headgate.deploy.mlflow.hosts.up_files import (
    MlflowState,
    WantedMlflow,
    read_wanted,
    write,
)
from headgate.errors import HeadgateError

POLL: Final = 0.25
"""Seconds between two looks."""


class EmbeddedControl:
    """The MLflow in a data folder, in whichever version is wanted.

    Args:
        folder: the data folder.
        port: MLflow's.
        own: the interpreter to begin with.
        gate: the address of the gate, for commands that look for it.
        say: shows a line.
    """

    def __init__(
        self, folder: Path, port: int, own: str, gate: str, say: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._port = port
        self._say = say
        self._wanted = read_wanted(folder) or WantedMlflow("", own, run=True)
        url = f"http://127.0.0.1:{port}"
        self._state = MlflowState(self._wanted.request, "", own, 0, None, url, gate)
        self._leaving = threading.Event()
        self._thread: threading.Thread | None = None
        self._server: EmbeddedServer | None = None
        self.ended = ""
        """Why MLflow ended, if that ends the gate."""

    @property
    def server(self) -> EmbeddedServer | None:
        """The MLflow that was started last."""
        return self._server

    def start(self) -> EmbeddedServer | None:
        """Start what is wanted at first; None if MLflow is to stay stopped.

        Raises:
            HeadgateError: the state cannot be written.
        """
        if self._wanted.run:
            self._start()
        self._write()
        return self._server

    def follow(self, died: Callable[[], None]) -> None:
        """Look at what is wanted, in a thread, until ``close``.

        Args:
            died: called if MLflow has ended by itself and the gate is to end too.
        """
        self._thread = threading.Thread(
            target=self._follow, args=(died,), name="watch-mlflow", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop MLflow and the thread."""
        self._leaving.set()
        if self._thread is not None:
            self._thread.join()
        if self._server is not None:
            self._server.stop()
        self._state = replace(self._state, mlflow=0)
        self._written()

    def _follow(self, died: Callable[[], None]) -> None:
        while not self._leaving.wait(POLL):
            wanted = self._read()
            if wanted is not None and wanted.request != self._wanted.request:
                self._change(wanted)
            elif self._has_ended() and not self._is_guarded():
                died()
                return

    def _read(self) -> WantedMlflow | None:
        try:
            return read_wanted(self._folder)
        except HeadgateError as error:
            self._say(str(error))
            return None

    def _change(self, wanted: WantedMlflow) -> None:
        former, self._wanted = self._wanted, wanted
        running = self._server is not None and self._server.runs
        if running and not (wanted.run and wanted.place == former.place):
            self._say("stopping MLflow, as an upgrade asks")
            self._stop()
            running = False
        if wanted.run and not running:
            self._say(f"starting MLflow of {wanted.place}, as an upgrade asks")
            try:
                self._start()
            except HeadgateError as error:
                self._say(str(error))
                self._state = replace(self._state, exit_code=127)
        self._state = replace(self._state, request=wanted.request)
        self._written()

    def _start(self) -> None:
        command = server_command(self._port, str(self._wanted.python))
        server = EmbeddedServer(command, self._folder, self._port)
        server.start()
        self._server = server
        place = self._wanted.place
        self._state = replace(self._state, place=place, mlflow=server.pid, exit_code=None)

    def _stop(self) -> None:
        if self._server is not None:
            self._server.stop()
        self._state = replace(self._state, mlflow=0, exit_code=None)

    def _has_ended(self) -> bool:
        """Whether MLflow has ended though it is to run; the state says so from then on."""
        server = self._server
        if not self._wanted.run or server is None or server.runs:
            return False
        if self._state.exit_code is None:
            ended = server.stopped()
            self.ended = str(ended)
            self._say(self.ended)
            self._state = replace(self._state, mlflow=0, exit_code=server.exit_code)
            self._written()
        return True

    def _is_guarded(self) -> bool:
        return time.time() < self._wanted.guarded_until

    def _written(self) -> None:
        try:
            self._write()
        except HeadgateError as error:
            self._say(str(error))

    def _write(self) -> None:
        write(self._folder, self._state)
