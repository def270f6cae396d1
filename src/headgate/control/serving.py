"""Serves the control application on a unix socket, inside the worker's own loop.

So that a live answer from it says that the loop which serves clients is alive.
"""

from __future__ import annotations

import contextlib
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn
from starlette.applications import Starlette


class ControlSocket:
    """A unix socket in a folder of its own, which only this user can reach."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="headgate-")
        self.path = str(Path(self._folder.name) / "control.sock")
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def __enter__(self) -> Self:
        self._listener.bind(self.path)
        self._listener.listen()  # who comes before the application runs waits for it
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._listener.close()
        self._folder.cleanup()

    async def serve(self, app: Starlette) -> None:
        """Serve ``app`` until cancelled."""
        config = uvicorn.Config(
            app, loop="none", http="httptools", lifespan="off", log_config=None, access_log=False
        )
        await _Server(config).serve(sockets=[self._listener])


class _Server(uvicorn.Server):
    """A uvicorn that leaves the process's signals to the worker."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
