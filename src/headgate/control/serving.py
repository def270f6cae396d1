"""Serves the control application inside the worker's own loop.

So that a live response from it says that the loop which serves clients is alive.  Connections to
it are pairs of sockets within the process: there is no address that others could reach, and no
file that could be taken away.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import uvicorn
from starlette.applications import Starlette


class ControlServer:
    """An HTTP server for ``app``."""

    def __init__(self, app: Starlette) -> None:
        self._config = uvicorn.Config(
            app, loop="none", http="httptools", lifespan="off", log_config=None, access_log=False
        )
        self._config.load()
        self._server = _Server(self._config)

    def accept(self) -> asyncio.Protocol:
        """The server's end of a new connection; to be called in the running loop."""
        made: asyncio.Protocol = self._config.http_protocol_class(  # type: ignore[call-arg]
            config=self._config, server_state=self._server.server_state, app_state={}
        )
        return made

    async def serve(self) -> None:
        """Do what is due now and then; once cancelled, close every connection."""
        try:
            await self._server.serve(sockets=[])
        finally:
            for connection in tuple(self._server.server_state.connections):
                connection.shutdown()


class _Server(uvicorn.Server):
    """A uvicorn that leaves the process's signals to the worker."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
