"""Lets connections of tasks bear their task's address, as those in a VPC do: a program.

``python -m tests.support.task_network HOST PORT`` listens at all addresses of this machine, says at
which port, and passes each connection on to ``HOST:PORT``, from the address that the client called.
A task that calls its own address is so known to a server by it; without this, all tasks, and every
other program, would come from 127.0.0.1.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.processes import ServerProcess

START_SECONDS = 60.0
LISTENS = "task network at port "
READ = 64 * 1024


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(READ):
            writer.write(data)
            await writer.drain()
    writer.close()


async def _serve(host: str, port: int) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        called = writer.get_extra_info("sockname")[0]
        try:
            to_reader, to_writer = await asyncio.open_connection(host, port, local_addr=(called, 0))
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pump(reader, to_writer), _pump(to_reader, writer))

    server = await asyncio.start_server(connected, "0.0.0.0", 0)  # noqa: S104 - every task
    sys.stderr.write(f"{LISTENS}{server.sockets[0].getsockname()[1]}\n")
    sys.stderr.flush()
    async with server:
        await server.serve_forever()


@contextmanager
def running_task_network(folder: Path, host: str, port: int) -> Iterator[int]:
    """Run it until the block ends; yields the port at which every task finds the server."""
    command = [sys.executable, "-m", "tests.support.task_network", host, str(port)]
    with ServerProcess(command, {}, folder, "task-network") as process:
        yield int(process.wait_for_line(rf"{LISTENS}(\d+)", START_SECONDS)[1])


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(sys.argv[1], int(sys.argv[2])))
