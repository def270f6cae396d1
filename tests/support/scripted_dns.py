"""A DNS server whose answers a test sets, also such as no real one is easily brought to give."""

from __future__ import annotations

import socket
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
    """Answers over UDP on a free port of 127.0.0.1 until the block ends.

    ``records``: (name, type) to TTL and data, as in a zone file; a name without any does not exist.
    ``rcode``: answered to everything, unless it is NOERROR; ``rcodes``: to one name and type.
    ``silent``: nothing is answered.
    ``questions``: what was asked, in order.
    """

    records: Records = field(default_factory=dict)
    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    rcodes: dict[tuple[str, str], dns.rcode.Rcode] = field(default_factory=dict)
    silent: bool = False
    questions: list[tuple[str, str]] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, name="dns", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bell:
            bell.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()

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
            query = dns.message.from_wire(wire)
            question = query.question[0]
            name = question.name.to_text(omit_final_dot=True)
            kind = dns.rdatatype.to_text(question.rdtype)
            self.questions.append((name, kind))
            if not self.silent:
                self._socket.sendto(self._answer(query, name, kind).to_wire(), peer)

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
