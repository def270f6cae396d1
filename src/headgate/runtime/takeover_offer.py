"""The side of the running gate in a hand-over: it offers its sockets, and leaves them.

Runs in the supervisor.  Whatever goes wrong before the end ends with the gate serving on as before:
the sockets were only ever shared.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from headgate.errors import HeadgateError
from headgate.events import Emit, HandOverFailed, HandOverOffered, HandOverUnavailable
from headgate.runtime.takeover_place import Place, PlaceTakenError
from headgate.runtime.takeover_protocol import (
    HELLO,
    LEFT,
    PROTOCOL,
    REFUSED,
    SERVES,
    WITHDRAWN,
    HandOverError,
    Message,
    Peer,
    check_protocol,
    peer_of,
    receive,
    send,
    send_offer,
)

HELLO_SECONDS: Final = 5.0
"""How long a process that has connected may take to say what it wants."""
OFFER_SECONDS: Final = 120.0
"""How long the next gate may take to start: more than its workers may (``START_SECONDS``)."""
SEND_SECONDS: Final = 1.0
"""How long a message may take to be sent; the supervisor waits."""
MOST_CALLERS: Final = 8


class Watch(Protocol):
    """Calls back when something can be read; the supervisor."""

    def watch(self, file: int, call: Callable[[], None]) -> None:
        """Call when ``file`` can be read."""

    def unwatch(self, file: int) -> None:
        """Call no more."""


class OfferingGate(Protocol):
    """The running gate: what it passes on, and what it does then."""

    def offer(self) -> tuple[Sequence[tuple[str, int]], dict[str, object]]:
        """The descriptors with their names, and what to say of them; another gate has them too.

        Raises:
            HeadgateError: this gate cannot be taken over from; the sentence is for who asks.
        """
        ...

    def withdraw(self) -> None:
        """The other gate has them no more."""

    def left(self, pid: int, version: str) -> None:
        """Process ``pid`` serves in place of this gate: accept no more, and end."""


@dataclass(slots=True)
class _Caller:
    """A process that has connected."""

    channel: socket.socket
    peer: Peer
    deadline: float
    version: str = ""
    has_offer: bool = field(default=False)


class HandOverListener:
    """Waits for a gate that takes over.

    Args:
        place: where.
        gate: what is passed on.
        emit: takes the events.
        clock: seconds from an arbitrary start.
        lock: of the place, where it was passed on; this owns it.
        peer: who is at the other end of a connection.
    """

    def __init__(
        self,
        place: Place,
        gate: OfferingGate,
        emit: Emit,
        clock: Callable[[], float],
        lock: int | None = None,
        peer: Callable[[socket.socket], Peer] = peer_of,
    ) -> None:
        self._place = place
        self._gate = gate
        self._emit = emit
        self._clock = clock
        self._peer = peer
        self.lock = lock
        self._listener: socket.socket | None = None
        self._callers: dict[int, _Caller] = {}
        self._watch: Watch | None = None
        self._is_left = False

    def open(self, watch: Watch) -> None:
        """Begin to wait; where that is impossible the gate serves without, which is an event."""
        try:
            if self.lock is None:
                self.lock = self._place.lock()
            self._listener = self._place.listen()
        except (OSError, PlaceTakenError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            self._emit(HandOverUnavailable(str(self._place.folder), str(why)))
            return
        self._watch = watch
        watch.watch(self._listener.fileno(), self._accept)

    def look(self) -> None:
        """End the waits that have lasted too long; called about twice a second."""
        now = self._clock()
        for caller in [each for each in self._callers.values() if each.deadline <= now]:
            if caller.has_offer:
                why = f"did not serve in {OFFER_SECONDS:g} s"
                self._withdraw(caller, why)
            else:
                self._dismiss(caller)

    def close(self) -> None:
        """Wait no more: the gate stops."""
        for caller in tuple(self._callers.values()):
            if caller.has_offer:
                continue  # it owns the sockets once this gate has ended
            self._dismiss(caller)
        self._close_listener(remove=not self._is_left)

    def end(self) -> None:
        """Close what is left, at the end of the gate."""
        self.close()
        for caller in tuple(self._callers.values()):
            self._dismiss(caller)
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None
        self._place.close()

    def close_in_worker(self) -> None:
        """Close what a worker has got by the fork; the connections are the supervisor's."""
        if self._listener is not None:
            self._listener.close()
        for caller in self._callers.values():
            caller.channel.close()
        if self.lock is not None:
            os.close(self.lock)
        self._place.close()

    # --- connections -----------------------------------------------------------------------

    def _accept(self) -> None:
        if self._listener is None or self._watch is None:
            return
        try:
            channel, _ = self._listener.accept()
        except OSError:  # it has left again
            return
        channel.settimeout(SEND_SECONDS)
        try:
            peer = self._peer(channel)
        except OSError:
            channel.close()
            return
        caller = _Caller(channel, peer, self._clock() + HELLO_SECONDS)
        if caller.peer.uid != os.geteuid():
            why = f"it runs as user {caller.peer.uid}, and this gate as user {os.geteuid()}"
            self._emit(HandOverFailed(caller.peer.pid, "", why))
            channel.close()
        elif len(self._callers) >= MOST_CALLERS:
            channel.close()
        else:
            self._callers[channel.fileno()] = caller
            self._watch.watch(channel.fileno(), lambda: self._hear(caller))

    def _hear(self, caller: _Caller) -> None:
        """Take one message of a caller."""
        try:
            caller.channel.setblocking(False)
            try:
                message = receive(caller.channel)
            finally:
                caller.channel.settimeout(SEND_SECONDS)
            for file in message.files:
                os.close(file)  # none is expected
            if message.kind == HELLO and not caller.has_offer:
                self._greet(caller, message)
            elif message.kind == SERVES and caller.has_offer:
                self._leave(caller)
            elif message.kind:
                raise HandOverError(f"process {caller.peer.pid} says {message.kind!r} too early")
            else:
                self._gone(caller, "ended before it served")
        except BlockingIOError:
            pass
        except HeadgateError as error:
            self._refuse(caller, str(error))
        except ConnectionError:
            self._gone(caller, "ended before it served")
        except OSError as error:
            self._gone(caller, f"cannot be reached ({error.strerror or error})")

    def _greet(self, caller: _Caller, hello: Message) -> None:
        check_protocol(hello)
        caller.version = hello.text("version")
        for first in self._callers.values():
            if first.has_offer:
                raise HeadgateError(
                    f"process {first.peer.pid} (Headgate {first.version}) is about to take over "
                    f"from the gate at {self._place.address}; try again when it has"
                )
        named, fields = self._gate.offer()
        caller.has_offer = True
        caller.deadline = self._clock() + OFFER_SECONDS
        send_offer(caller.channel, named, protocol=PROTOCOL, pid=os.getpid(), **fields)
        self._emit(HandOverOffered(caller.peer.pid, caller.version))

    def _leave(self, caller: _Caller) -> None:
        """Let the next gate have the sockets; if it is gone meanwhile, serve on.

        Raises:
            OSError: it is gone.
        """
        # Once this is sent nothing may keep the gate from leaving; if it cannot be sent, the other
        # one is gone.
        send(caller.channel, LEFT)
        self._is_left = True
        self._dismiss(caller)
        self._gate.left(caller.peer.pid, caller.version)
        self.close()

    # --- failures --------------------------------------------------------------------------

    def _refuse(self, caller: _Caller, sentence: str) -> None:
        """Say why not; what was offered is withdrawn."""
        if caller.has_offer:
            self._withdraw(caller, sentence)
            return
        self._emit(HandOverFailed(caller.peer.pid, caller.version, sentence))
        self._tell(caller, REFUSED, sentence)
        self._dismiss(caller)

    def _withdraw(self, caller: _Caller, why: str) -> None:
        sentence = f"the gate at {self._place.address} goes on: the new one {why}"
        self._tell(caller, WITHDRAWN, sentence)
        self._gone(caller, why)

    def _gone(self, caller: _Caller, why: str) -> None:
        """Serve on as before: a caller is gone."""
        if caller.has_offer:
            self._gate.withdraw()
            self._emit(HandOverFailed(caller.peer.pid, caller.version, why))
        self._dismiss(caller)

    def _tell(self, caller: _Caller, kind: str, sentence: str) -> None:
        try:
            send(caller.channel, kind, sentence=sentence)
        except OSError:
            return  # it is gone, and will not miss the sentence

    def _dismiss(self, caller: _Caller) -> None:
        file = caller.channel.fileno()
        if self._watch is not None:
            self._watch.unwatch(file)
        self._callers.pop(file, None)
        caller.channel.close()

    def _close_listener(self, *, remove: bool) -> None:
        if self._listener is None:
            return
        if self._watch is not None:
            self._watch.unwatch(self._listener.fileno())
        self._listener.close()
        self._listener = None
        if remove:
            self._place.leave()
