"""Scans a trace export while it is streamed, in steps that are short enough for the event loop.

An attribute that sets the location of a trace's data ends the export.  The scan reads what MLflow
will parse: the body after content decoding.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Final

from headgate.contract.inflate import STEP, Inflater
from headgate.contract.otlp import JSON, Export, NamesMisplacedError, media_type
from headgate.contract.otlp_json import JsonReader, JsonScan
from headgate.contract.otlp_protobuf import ProtobufReader
from headgate.errors import Refusal
from headgate.shields.rules import misplaced_trace
from headgate.wire.errors import ProtocolError

MOST_INFLATED: Final = 1 << 30
"""Maximum bytes of an inflated export if the configuration sets no limit."""
FIELDS: Final = 4096
"""Protobuf fields after which a step ends: each can be as short as two bytes."""
PART: Final = 16 * 1024
"""Bytes between two checks of the number of fields read."""


class ExportScan:
    """Reads one export; ``refusal`` is set as soon as there is a reason to refuse it.

    Args:
        header: the values of the request's header fields, by lower-case name.
        limit: maximum bytes of the decoded export; 0: no limit.
        export: receives what is found.

    Raises:
        ProtocolError: MLflow accepts no such body.
    """

    def __init__(self, header: Mapping[bytes, bytes], limit: int, export: Export) -> None:
        media = media_type(header.get(b"content-type", b""))
        if not media:
            raise ProtocolError(
                "a trace export must be sent as Content-Type: application/x-protobuf or "
                "application/json"
            )
        self.refusal: Refusal | None = None
        self._reader: ProtobufReader | JsonReader | JsonScan
        self._protobuf: ProtobufReader | None = None
        if media != JSON:
            self._reader = self._protobuf = ProtobufReader(export)
        elif export.wants_values:
            self._reader = JsonReader(export)
        else:
            self._reader = JsonScan(export)
        coding = header.get(b"content-encoding", b"").lower()
        self._inflater = Inflater(coding, limit or MOST_INFLATED) if coding else None
        # MLflow before 3.7 ignores the coding.  No message starts like gzip does; but bytes that
        # are compressed with deflate must not be a valid export themselves.
        uncoded = Export(wants_values=False)
        self._uncoded = ProtobufReader(uncoded) if coding == b"deflate" else None
        self._waiting: deque[bytes] = deque()
        self._plain = b""  # decoded, and ...
        self._at = 0  # ... how much of it has been read
        self._done = False

    def take(self, pieces: list[bytes], *, done: bool) -> None:
        """Add received pieces of the body for ``step``; ``done``: the body is complete."""
        self._waiting.extend(pieces)
        self._done = done

    def step(self) -> bool:
        """Scan a part of the received bytes; return whether all of them are scanned."""
        try:
            if self._has_more():
                return False
            if self._done:
                self._finish()
        except NamesMisplacedError:
            self.refusal = misplaced_trace("an attribute")
        except ProtocolError as error:
            self.refusal = Refusal(
                error.reason, f"Headgate refused the trace export: {error.message}."
            )
        return True

    def _has_more(self) -> bool:
        inflater = self._inflater
        if self._at < len(self._plain):
            self._read()
            return True
        if inflater is not None:
            made = inflater.step()
            if made:
                self._plain, self._at = made, 0
                self._read()
                return True
        if not self._waiting:
            return False
        piece = self._waiting.popleft()
        most = STEP if self._uncoded is None else PART
        if len(piece) > most:
            self._waiting.appendleft(piece[most:])
            piece = piece[:most]
        if inflater is None:
            self._plain, self._at = piece, 0
            self._read()
            return bool(self._waiting) or self._at < len(piece)
        inflater.feed(piece)
        self._look_at_coded(piece)
        return True

    def _read(self) -> None:
        """Read more of ``_plain``, to its end or until the step has done enough work."""
        protobuf = self._protobuf
        if protobuf is None:
            self._at = len(self._plain)
            self._reader.feed(self._plain)
            return
        most = protobuf.fields + FIELDS
        while self._at < len(self._plain) and protobuf.fields < most:
            part = self._plain[self._at : self._at + PART]
            self._at += len(part)
            protobuf.feed(part)

    def _look_at_coded(self, piece: bytes) -> None:
        if self._uncoded is not None:
            try:
                self._uncoded.feed(piece)
            except ProtocolError:
                self._uncoded = None

    def _finish(self) -> None:
        if self._inflater is not None:
            self._inflater.finish()
        if self._uncoded is not None:
            try:
                self._uncoded.finish()
            except ProtocolError:
                pass
            else:
                raise ProtocolError("its body is a valid export both before and after decoding")
        self._reader.finish()
