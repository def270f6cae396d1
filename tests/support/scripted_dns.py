"""A DNS server whose answers a test sets, also such as no real one is easily brought to give."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

Records = dict[tuple[str, str], tuple[int, list[str]]]


@dataclass
class ScriptedDns:
    """Answers over UDP and TCP on a free port of 127.0.0.1 until the block ends.

    ``records``: (name, type) to TTL and data, as in a zone file; a name without any does not exist.
    ``rcode``: answered to everything, unless it is NOERROR; ``rcodes``: to one name and type.
    ``silent``: nothing is answered; ``silent_to``: nothing about these names and types.
    ``truncated``: an answer over UDP says only that it does not fit; ``by_tcp`` counts the others.
    ``stray``: over UDP a false answer with another id comes before the true one.
    ``delay``: seconds until an answer.
    ``questions``: what was asked, in order.
    """

    records: Records = field(default_factory=dict)
    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    rcodes: dict[tuple[str, str], dns.rcode.Rcode] = field(default_factory=dict)
    silent: bool = False
    silent_to: set[tuple[str, str]] = field(default_factory=set)
    truncated: bool = False
    by_tcp: int = 0
    stray: str = ""
    delay: float = 0.0
    questions: list[tuple[str, str]] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._socket, self._listener = _sockets()
        self._threads = [
            threading.Thread(target=serve, name="dns", daemon=True)
            for serve in (self._serve, self._serve_tcp)
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bell:
            bell.sendto(b"", ("127.0.0.1", self.port))
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        for thread in self._threads:
            thread.join()
        self._socket.close()
        self._listener.close()

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._socket.getsockname()[1]
        return port

    @property
    def address(self) -> str:
        """As a setting names it."""
        return f"127.0.0.1:{self.port}"

    def set(self, name: str, kind: str, *data: str, ttl: int = 1) -> None:
        """Name records from now on; none: there are no such."""
        if data:
            self.records[name, kind] = (ttl, list(data))
        else:
            self.records.pop((name, kind), None)

    def _serve(self) -> None:
        while True:
            wire, peer = self._socket.recvfrom(4096)
            if not wire:
                return
            for answer in self._answers(dns.message.from_wire(wire)):
                if self.delay:
                    threading.Timer(self.delay, self._send, (answer, peer)).start()
                else:
                    self._send(answer, peer)

    def _send(self, answer: bytes, peer: tuple[str, int]) -> None:
        with contextlib.suppress(OSError):  # closed before a late answer was due
            self._socket.sendto(answer, peer)

    def _serve_tcp(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.settimeout(5)
                (length,) = struct.unpack("!H", connection.recv(2, socket.MSG_WAITALL))
                wire = connection.recv(length, socket.MSG_WAITALL)
                self.by_tcp += 1
                query = dns.message.from_wire(wire)
                answer = self._answer(query, *_asked(query)).to_wire(max_size=65535)
                connection.sendall(struct.pack("!H", len(answer)) + answer)

    def _answers(self, query: dns.message.Message) -> list[bytes]:
        """What comes over UDP, in this order."""
        name, kind = _asked(query)
        self.questions.append((name, kind))
        if self.silent or (name, kind) in self.silent_to:
            return []
        answer = self._answer(query, name, kind)
        if self.truncated:
            answer.flags |= dns.flags.TC
            answer.answer = []
        wires = [answer.to_wire(max_size=65535)]
        if self.stray and kind == "A":
            false = dns.message.make_response(query)
            false.id = query.id ^ 1
            false.answer = [dns.rrset.from_text(f"{name}.", 1, "IN", kind, self.stray)]
            wires.insert(0, false.to_wire())
        return wires

    def _answer(self, query: dns.message.Message, name: str, kind: str) -> dns.message.Message:
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        rcode = self.rcodes.get((name, kind), self.rcode)
        if (name, "CNAME") in self.records:
            ttl, (other,) = self.records[name, "CNAME"]
            answer.answer.append(dns.rrset.from_text(f"{name}.", ttl, "IN", "CNAME", f"{other}."))
            name = other
        if rcode != dns.rcode.NOERROR:
            answer.set_rcode(rcode)
        elif (name, kind) in self.records:
            ttl, data = self.records[name, kind]
            answer.answer.append(dns.rrset.from_text(f"{name}.", ttl, "IN", kind, *data))
        elif not any(known == name for known, _ in self.records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer


def _asked(query: dns.message.Message) -> tuple[str, str]:
    question = query.question[0]
    name = question.name.to_text(omit_final_dot=True).lower()
    return name, dns.rdatatype.to_text(question.rdtype)


def _sockets() -> tuple[socket.socket, socket.socket]:
    """One for UDP and one that listens for TCP, at the same free port."""
    while True:
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.bind(("127.0.0.1", 0))
        try:
            return datagrams, socket.create_server(datagrams.getsockname())
        except OSError:
            datagrams.close()
