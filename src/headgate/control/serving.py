"""Serves the control application on a unix socket, inside the worker's own loop.

So that a live answer from it says that the loop which serves clients is alive.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn
from starlette.applications import Starlette

from headgate.errors import HeadgateError


class ControlSocket:
    """A unix socket at ``path``, in a folder that only this user can enter.

    What a worker that was killed has left there is taken away.
    """

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def __enter__(self) -> Self:
        try:
            Path(self.path).unlink(missing_ok=True)
            self._listener.bind(self.path)
        except OSError as error:
            self._listener.close()
            cause = error.strerror or error  # of a path that is too long Python says it itself
            raise HeadgateError(
                f"no socket can be made at {self.path}: {cause}; let TMPDIR name a folder with a "
                "short path that this user can write to"
            ) from error
        self._listener.listen()  # who comes before the application runs waits for it
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._listener.close()

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
