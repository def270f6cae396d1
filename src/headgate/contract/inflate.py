"""Undoes the coding of a body in steps, as MLflow does it at a stretch.

MLflow (``mlflow.tracing.utils.otlp.decompress_otlp_body``) takes ``gzip`` and ``deflate``, and for
the latter what cannot be read as zlib's format (RFC 1950) once more as bare deflate (RFC 1951).
Here the first bytes decide which of the two it is, and an error is final: a body that is broken as
the one may be whole as the other.
"""

from __future__ import annotations

import zlib
from typing import Final

from headgate.reasons import Reason
from headgate.wire.errors import ProtocolError

STEP: Final = 256 * 1024
"""Most bytes that one step makes: they take about a millisecond."""
MOST_TIMES: Final = 200
"""How many times its length a body may be inflated to, above ``FREE``."""
FREE: Final = 8 * 1024 * 1024

_GZIP: Final = 16 + zlib.MAX_WBITS
_CODINGS: Final = frozenset({b"gzip", b"deflate"})


class Inflater:
    """One body.

    Args:
        coding: of the body, in lower case.
        limit: most bytes that it may come to.

    Raises:
        ProtocolError: MLflow knows no such coding.
    """

    def __init__(self, coding: bytes, limit: int) -> None:
        if coding not in _CODINGS:
            raise ProtocolError("its Content-Encoding is neither gzip nor deflate")
        self._limit = limit
        self._engine = zlib.decompressobj(_GZIP) if coding == b"gzip" else None
        self._waiting = b""
        self._taken = 0
        self._made = 0

    def feed(self, piece: bytes) -> None:
        """Take more of the body, for ``step`` to inflate."""
        self._taken += len(piece)
        self._waiting += piece

    def step(self) -> bytes:
        """Inflate up to ``STEP`` bytes; empty when there are none before more is fed.

        Raises:
            ProtocolError: it is not what its coding says, or comes to too much.
        """
        engine = self._engine
        if engine is None:
            if len(self._waiting) < 2:
                return b""
            engine = self._engine = zlib.decompressobj(_deflate_bits(self._waiting))
        if engine.eof:
            if self._waiting:
                raise ProtocolError("data follows the end of the compressed body")
            return b""
        try:
            made = engine.decompress(self._waiting, STEP)
        except zlib.error:
            raise ProtocolError("the body is not compressed as its Content-Encoding says") from None
        self._waiting = engine.unused_data if engine.eof else engine.unconsumed_tail
        self._made += len(made)
        if self._made > self._limit:
            raise _too_large(f"more than {self._limit} bytes")
        if self._made > FREE and self._made > MOST_TIMES * self._taken:
            raise _too_large(f"more than {MOST_TIMES} times its length")
        return made

    def finish(self) -> None:
        """All of the body has been fed and inflated.

        Raises:
            ProtocolError: it ends too early, or something follows its end.
        """
        if self._engine is None or not self._engine.eof or self._waiting:
            raise ProtocolError("the compressed body is truncated, or data follows its end")


def _deflate_bits(head: bytes) -> int:
    """Which of the two formats a body begins like (RFC 1950 section 2.2)."""
    method_and_info, flags = head[0], head[1]
    is_zlib = (
        method_and_info & 0x0F == zlib.DEFLATED
        and method_and_info >> 4 <= zlib.MAX_WBITS - 8
        and (method_and_info << 8 | flags) % 31 == 0
    )
    return zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS


def _too_large(what: str) -> ProtocolError:
    return ProtocolError(f"its body inflates to {what}", reason=Reason.BODY_TOO_LARGE)
