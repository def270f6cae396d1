"""What commands write to their standard streams."""

from __future__ import annotations

import io
from typing import Any

import pytest

from headgate.cli.output import tell


class Pieces(io.BytesIO):
    """Keeps what each write brings."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[bytes] = []

    def write(self, piece: Any) -> int:
        self.found.append(bytes(piece))
        return len(piece)


@pytest.mark.parametrize("unbuffered", [False, True])
def test_a_line_is_written_whole(monkeypatch: pytest.MonkeyPatch, unbuffered: bool) -> None:
    """Also where ``PYTHONUNBUFFERED`` is set: a log may share the pipe."""
    pieces = Pieces()
    stream = io.TextIOWrapper(pieces, line_buffering=not unbuffered, write_through=unbuffered)
    monkeypatch.setattr("sys.stderr", stream)
    tell("headgate: listening")
    assert pieces.found == [b"headgate: listening\n"]
