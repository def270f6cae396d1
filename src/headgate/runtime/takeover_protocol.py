"""The messages of a hand-over: what a gate and the one that takes over say to each other.

They speak over a Unix socket that keeps messages apart (``SOCK_SEQPACKET``).  Each message is a
JSON object; descriptors go beside it (``SCM_RIGHTS``)::

    new                          old
    HELLO     -------------->
              <--------------    OFFER, FILES ... : every descriptor, in the order of the names
    SERVES    -------------->                       all workers of the new gate accept
              <--------------    LEFT               the old gate accepts no more

The old gate may say REFUSED in place of OFFER, and WITHDRAWN after it; both have a sentence.  A
connection that ends without either means that the other side is gone.  Until LEFT is sent, the old
gate serves as if nothing had been asked of it.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from headgate.errors import HeadgateError

PROTOCOL: Final = 1
"""Changes when a gate of the version before could not take part any more."""
HELLO: Final = "hello"
OFFER: Final = "offer"
FILES: Final = "files"
SERVES: Final = "serves"
LEFT: Final = "left"
REFUSED: Final = "refused"
WITHDRAWN: Final = "withdrawn"

MESSAGE_BYTES: Final = 64 * 1024
MOST_FILES: Final = 1024
"""All descriptors of an offer."""
FILES_TOGETHER: Final = 128
"""Descriptors beside one message; Linux allows 253 (``SCM_MAX_FD``)."""
_CREDENTIALS: Final = struct.Struct("3i")  # struct ucred: pid, uid, gid (unix(7))


class HandOverError(HeadgateError):
    """What was received is no message of a hand-over."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes:
        kind: which one; empty at the end of the connection.
        fields: what it says.
        files: descriptors that came with it; the receiver owns them.
    """

    kind: str
    fields: Mapping[str, Any]
    files: tuple[int, ...] = ()

    def text(self, name: str) -> str:
        """A field with text.

        Raises:
            HandOverError: there is none.
        """
        found = self.fields.get(name)
        if not isinstance(found, str):
            raise HandOverError(f"the other gate's {self.kind!r} has no {name!r}")
        return found

    def number(self, name: str) -> int:
        """A field with a number.

        Raises:
            HandOverError: there is none.
        """
        found = self.fields.get(name)
        if not isinstance(found, int) or isinstance(found, bool):
            raise HandOverError(f"the other gate's {self.kind!r} has no {name!r}")
        return found

    def texts(self, name: str) -> tuple[str, ...]:
        """A field with a list of texts.

        Raises:
            HandOverError: there is none.
        """
        found = self.fields.get(name)
        if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
            raise HandOverError(f"the other gate's {self.kind!r} has no list {name!r}")
        return tuple(found)


def check_protocol(message: Message) -> None:
    """Make sure that both gates speak the same protocol.

    Raises:
        HandOverError: they do not.
    """
    theirs = message.number("protocol")
    if theirs != PROTOCOL:
        raise HandOverError(
            f"the other gate speaks version {theirs} of the hand-over protocol, this one version "
            f"{PROTOCOL}: restart the gate instead"
        )


def send(channel: socket.socket, kind: str, files: Sequence[int] = (), /, **fields: object) -> None:
    """Send one message.

    Raises:
        OSError: the other side is gone, or takes nothing.
    """
    data = json.dumps({"kind": kind, **fields}).encode()
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))] if files else []
    channel.sendmsg([data], rights, socket.MSG_NOSIGNAL)


def receive(channel: socket.socket) -> Message:
    """The next message; one of kind ``""`` at the end of the connection.

    Raises:
        HandOverError: it is malformed or cut off; descriptors that came with it are closed.
        BlockingIOError: there is none yet.
        OSError: the other side is gone, or says nothing in time.
    """
    data, ancillary, flags, _ = channel.recvmsg(
        MESSAGE_BYTES,
        socket.CMSG_SPACE(FILES_TOGETHER * array.array("i").itemsize),
        socket.MSG_CMSG_CLOEXEC,
    )
    files = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            files.frombytes(content[: len(content) - len(content) % files.itemsize])
    try:
        return _read(data, flags, tuple(files))
    except HandOverError:
        close_all(files)
        raise


def _read(data: bytes, flags: int, files: tuple[int, ...]) -> Message:
    if flags & socket.MSG_CTRUNC:
        raise HandOverError(
            "not all descriptors of the other gate could be received: this process may open too "
            "few files (LimitNOFILE=, ulimit -n), or more came than the protocol allows"
        )
    if flags & socket.MSG_TRUNC:
        raise HandOverError("the other gate sent a message that is too long")
    if not data:
        if files:
            raise HandOverError("the other gate sent descriptors without a message")
        return Message("", {})
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise HandOverError("the other side sent what is no message of a hand-over") from error
    kind = fields.pop("kind", None) if isinstance(fields, dict) else None
    if not isinstance(kind, str) or not kind:
        raise HandOverError("the other side sent what is no message of a hand-over")
    return Message(kind, fields, files)


def send_offer(
    channel: socket.socket, named: Sequence[tuple[str, int]], /, **fields: object
) -> None:
    """Send OFFER and as many FILES as it takes.

    Raises:
        HandOverError: there are too many files.
        OSError: the other side is gone, or takes nothing.
    """
    if len(named) > MOST_FILES:
        raise HandOverError(f"a hand-over has at most {MOST_FILES} descriptors, not {len(named)}")
    send(channel, OFFER, names=[name for name, _ in named], **fields)
    for at in range(0, len(named), FILES_TOGETHER):
        send(channel, FILES, [file for _, file in named[at : at + FILES_TOGETHER]])


def receive_files(channel: socket.socket, names: Sequence[str]) -> list[tuple[str, int]]:
    """The descriptors of an offer with their names, in its order.

    Raises:
        HandOverError: there are not as many as names; none stays open.
        OSError: the other side is gone, or says nothing in time; none stays open.
    """
    if len(names) > MOST_FILES:
        raise HandOverError(f"the other gate offers {len(names)} descriptors, over {MOST_FILES}")
    files: list[int] = []
    try:
        while len(files) < len(names):
            message = receive(channel)
            files += message.files
            if message.kind != FILES or not message.files:
                raise HandOverError(f"the other gate passed {len(files)} of {len(names)} files")
        if len(files) > len(names):
            raise HandOverError("the other gate passed more files than it named")
    except (HandOverError, OSError):
        close_all(files)
        raise
    return list(zip(names, files, strict=True))


def close_all(files: Sequence[int] | array.array[int]) -> None:
    """Close descriptors."""
    for file in files:
        with contextlib.suppress(OSError):
            os.close(file)


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end, as the kernel says (``SO_PEERCRED``)."""

    pid: int
    uid: int


def peer_of(channel: socket.socket) -> Peer:
    """Who has connected, or who listens.

    Raises:
        OSError: the kernel does not say.
    """
    found = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(found)
    return Peer(pid, uid)
