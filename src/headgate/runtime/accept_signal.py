"""What the workers of a gate that takes over wait for, before they accept connections."""

from __future__ import annotations

import asyncio
import os


class AcceptSignal:
    """Made before the workers are forked; given once, for those that start later too."""

    def __init__(self) -> None:
        self._file = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def give(self) -> None:
        """Let the workers accept."""
        os.eventfd_write(self._file, 1)

    async def given(self) -> None:
        """Wait until it is given."""
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(self._file, readable.set)
        try:
            await readable.wait()
        finally:
            loop.remove_reader(self._file)

    def close(self) -> None:
        """Close it; no worker may be waiting here."""
        os.close(self._file)
