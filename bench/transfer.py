"""Moves one large artifact up and down, checking every byte, with little CPU of its own."""

from __future__ import annotations

import os
import threading
import time

from tests.support.raw import RawClient, request_head

WAIT_SECONDS = 600.0  # for one read or write
BLOCK = 1024 * 1024


class TransferError(Exception):
    """The server did not take the content, or gave something else back."""


class Artifact:
    """Content of any size made of one random block, so that it needs neither memory nor disk."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._block = os.urandom(BLOCK)

    def upload(self, host: str, port: int, target: str, *fields: str) -> float:
        """PUT the content to ``target`` and return the seconds it took.

        Raises:
            TransferError: when the response is not 200.
        """
        started = time.monotonic()
        with RawClient(host, port, WAIT_SECONDS) as client:
            length = f"Content-Length: {self.size}"
            client.send(request_head("PUT", target, length, *fields, host=f"{host}:{port}"))
            for start in range(0, self.size, BLOCK):
                client.send(self._block[: self.size - start])
            response = client.response()
        if response.status != 200:
            raise TransferError(f"the upload got the response {response}")
        return time.monotonic() - started

    def download(self, host: str, port: int, target: str, *fields: str, rest: float = 0) -> float:
        """GET ``target``, compare each byte of it, and return the seconds it took.

        After the response's head the reader rests for ``rest`` seconds: what a program in between
        takes in meanwhile, it has to hold.

        Raises:
            TransferError: when it is not this content.
        """
        started = time.monotonic()
        with RawClient(host, port, WAIT_SECONDS) as client:
            client.send(request_head("GET", target, *fields, host=f"{host}:{port}"))
            head = client.response_head()
            if head.status != 200 or head.get("Content-Length") != str(self.size):
                raise TransferError(f"the download got the response {head}")
            threading.Event().wait(rest)
            for start in range(0, self.size, BLOCK):
                expected = self._block[: self.size - start]
                if client.receive(len(expected)) != expected:
                    raise TransferError(f"wrong bytes after {start}")
        return time.monotonic() - started
