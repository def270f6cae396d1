"""The gate before, as the gate that takes over from it knows it."""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headgate.errors import HeadgateError
from headgate.model import Endpoint
from headgate.runtime.listener import KeptSocket, keep_alive
from headgate.runtime.service_manager import Watched
from headgate.runtime.takeover_place import Place
from headgate.runtime.takeover_protocol import (
    HELLO,
    LEFT,
    OFFER,
    PROTOCOL,
    REFUSED,
    SERVES,
    WITHDRAWN,
    HandOverError,
    Message,
    check_protocol,
    close_all,
    peer_of,
    receive,
    receive_files,
    send,
)

CLIENTS: Final = "clients"
OPS: Final = "ops"
LOCK: Final = "lock"
MEMORY: Final = "memory:"
KEPT: Final = "kept:"
"""What the names of descriptors begin with that workers leave to each other."""
REPLY_SECONDS: Final = 10.0
"""How long the gate before may take to reply."""


@dataclass(frozen=True, slots=True)
class Passed:
    """What the gate before has passed on; all of it is owned by who has this.

    Attributes:
        pid: of its supervisor.
        version: of its Headgate.
        scheme: what its clients speak.
        clients: its listening sockets for clients.
        ops: those for operators.
        lock: of the meeting place.
        store: where its key store is; empty: it has none.
        memory: memory that goes on, by name.
        kept: what its workers have left, by kind.
        watched: how it tells its service manager, if there is one.
    """

    pid: int
    version: str
    scheme: str
    clients: tuple[socket.socket, ...]
    ops: tuple[socket.socket, ...]
    lock: int
    store: str
    memory: dict[str, int]
    kept: dict[str, int]
    watched: Watched | None


class Predecessor:
    """The connection to the gate before.

    Args:
        channel: connected to it.
        address: what it has to listen on.
        version: of this gate.
        scheme: what the clients of this gate speak.

    Raises:
        HeadgateError: it cannot be taken over from; it goes on, and nothing was changed.
    """

    def __init__(
        self, channel: socket.socket, address: Endpoint, *, version: str, scheme: str
    ) -> None:
        self._channel = channel
        self._address = address
        channel.settimeout(REPLY_SECONDS)
        try:
            self.passed = self._take(version, scheme)
        except OSError as error:
            why = "it says nothing" if isinstance(error, TimeoutError) else error.strerror
            raise HeadgateError(
                f"the gate at {address} did not hand over ({why}); it goes on"
            ) from None

    @classmethod
    def at(cls, folder: Path, address: Endpoint, *, version: str, scheme: str) -> Predecessor:
        """The one that listens on ``address`` and has this data folder.

        Raises:
            HeadgateError: there is none, or it cannot be taken over from.
        """
        if address.port == 0:
            raise HeadgateError(
                "--take-over needs the address of the gate to take over from, and listen.port 0 "
                "means any free port: set the port that it listens on"
            )
        try:
            place = Place(folder, address)
        except OSError as error:
            raise HeadgateError(
                f"no gate to take over from: the data folder {folder} cannot be opened "
                f"({error.strerror}); both gates need the same `data`"
            ) from None
        with place:
            channel = place.connect()
        try:
            _require_own(channel, address)
            return cls(channel, address, version=version, scheme=scheme)
        except BaseException:  # failed or interrupted, the other gate must see the end
            channel.close()
            raise

    def _take(self, version: str, scheme: str) -> Passed:
        send(self._channel, HELLO, protocol=PROTOCOL, version=version, pid=os.getpid())
        offer = receive(self._channel)
        if not offer.kind:
            raise HeadgateError(
                f"the gate at {self._address} ended, or handed over to another one, before it "
                "could be taken over from; try again"
            )
        if offer.kind == REFUSED:
            raise HeadgateError(offer.text("sentence"))
        if offer.kind != OFFER:
            raise HandOverError(f"the other gate says {offer.kind!r} where an offer was due")
        check_protocol(offer)
        files = receive_files(self._channel, offer.texts("names"))
        try:
            passed = _sorted(offer, files)
        except BaseException:  # failed or interrupted, what came must not stay open
            close_all([file for _, file in files])
            raise
        try:
            self._check(passed, scheme)
        except HeadgateError:
            release(passed)
            raise
        return passed

    def _check(self, passed: Passed, scheme: str) -> None:
        """Make sure that this gate can go on with what was passed.

        Raises:
            HeadgateError: it cannot.
        """
        for each in passed.clients:
            found = Endpoint(*each.getsockname()[:2])
            if found != self._address:
                raise HeadgateError(
                    f"the running gate listens on {found} and this one is to listen on "
                    f"{self._address}: it goes on; to change the address, start this one beside it"
                )
        if not passed.clients:
            raise HeadgateError(
                f"the gate at {self._address} has no socket that listens: it stops, or replaces "
                "its workers; try again in a moment"
            )
        if passed.scheme != scheme:
            raise HeadgateError(
                f"the running gate serves {passed.scheme} and this one is to serve {scheme} at "
                f"{self._address}: both would serve there for a moment; it goes on; stop it and "
                "start this one"
            )
        if passed.watched is not None and not _same_cgroup(passed.pid):
            raise HeadgateError(
                f"the gate at {self._address} (process {passed.pid}) is a service of systemd, "
                "which does not know this process and would stop or restart what it does know; "
                "it goes on; restart the service instead: its sockets wait meanwhile"
            )

    def finish(self) -> bool:
        """Say that this gate serves, and wait until the one before accepts no more.

        Returns whether it said so; if not, it has died, and this gate goes on alone.

        Raises:
            HeadgateError: it goes on, and this gate must not.
        """
        try:
            send(self._channel, SERVES)
        except OSError:
            return self._settled(receive_rest(self._channel))
        try:
            last: Message | None = receive(self._channel)
        except TimeoutError:
            # Once this side is shut down nothing more can come: what is there is the last word.
            with contextlib.suppress(OSError):
                self._channel.shutdown(socket.SHUT_RDWR)
            last = receive_rest(self._channel)
            if last is None or not last.kind:
                raise HeadgateError(
                    f"the gate at {self._address} (process {self.passed.pid}) still accepts "
                    f"connections after {REPLY_SECONDS:g} s; it goes on, and this one ends"
                ) from None
        except OSError:
            last = None
        return self._settled(last)

    def _settled(self, last: Message | None) -> bool:
        if last is not None and last.kind == WITHDRAWN:
            raise HeadgateError(last.text("sentence"))
        return last is not None and last.kind == LEFT

    def close(self) -> None:
        """End the connection: before ``finish``, the gate before goes on."""
        self._channel.close()


def receive_rest(channel: socket.socket) -> Message | None:
    """What has been received already; ``None``: nothing."""
    channel.setblocking(False)
    try:
        return receive(channel)
    except OSError:
        return None


def release(passed: Passed) -> None:
    """Close what was passed: the gate before has it too, and goes on with it."""
    for each in (*passed.clients, *passed.ops):
        each.close()
    close_all([passed.lock, *passed.memory.values(), *passed.kept.values()])


def _require_own(channel: socket.socket, address: Endpoint) -> None:
    peer = peer_of(channel)
    if peer.uid != os.geteuid():
        raise HeadgateError(
            f"the gate at {address} runs as user {peer.uid}, and this command as user "
            f"{os.geteuid()}: run it as the same user"
        )


def _sorted(offer: Message, files: list[tuple[str, int]]) -> Passed:
    """What the descriptors are.

    Raises:
        HandOverError: the offer is not whole, or has what is no listening socket.
    """
    kept = offer.texts("shared")
    sockets: dict[str, list[int]] = {CLIENTS: [], OPS: []}
    memory: dict[str, int] = {}
    left: dict[str, int] = {}
    unknown: list[int] = []
    locks: list[int] = []
    for name, file in files:
        if name in sockets:
            sockets[name].append(file)
        elif name == LOCK:
            locks.append(file)
        elif name.startswith(MEMORY):
            memory[name.removeprefix(MEMORY)] = file
        elif name.startswith(KEPT):
            left[name.removeprefix(KEPT)] = file
        else:
            unknown.append(file)
    if len(locks) != 1:
        raise HandOverError("the other gate passed no lock of its meeting place")
    for names in (sockets[CLIENTS], sockets[OPS]):
        for file in names:
            _check_listens(file)
    close_all(unknown)  # of a newer version
    watched = None
    if offer.fields.get("manager"):
        watched = Watched(offer.text("manager"), offer.number("watchdog_usec"))
    return Passed(
        offer.number("pid"),
        offer.text("version"),
        offer.text("scheme"),
        tuple(_socket(file, is_kept=CLIENTS in kept) for file in sockets[CLIENTS]),
        tuple(_socket(file, is_kept=OPS in kept) for file in sockets[OPS]),
        locks[0],
        offer.text("store"),
        memory,
        left,
        watched,
    )


def _check_listens(file: int) -> None:
    """Make sure that a descriptor is a listening TCP socket; it stays open.

    Raises:
        HandOverError: it is not.
    """
    try:
        found = socket.socket(fileno=file)
    except OSError:
        raise HandOverError("the other gate passed as a listening socket what is none") from None
    try:
        is_tcp = found.family in (socket.AF_INET, socket.AF_INET6)
        is_stream = found.type == socket.SOCK_STREAM
        if not (is_tcp and is_stream and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)):
            raise HandOverError("the other gate passed as a listening socket what is none")
    finally:
        found.detach()


def _socket(file: int, *, is_kept: bool) -> socket.socket:
    found = KeptSocket(fileno=file) if is_kept else socket.socket(fileno=file)
    found.setblocking(False)
    keep_alive(found)
    return found


def _same_cgroup(pid: int) -> bool:
    """Whether the service manager counts that process and this one for the same service."""
    try:
        theirs = Path(f"/proc/{pid}/cgroup").read_text()
        return theirs == Path("/proc/self/cgroup").read_text()
    except OSError:
        return False
