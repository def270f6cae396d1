"""The one way in which bytes can be wrong."""

from __future__ import annotations

from headgate.reasons import Reason


class ProtocolError(Exception):
    """The peer's bytes are not acceptable HTTP/1.1; the connection cannot be used further.

    ``message`` completes the sentence "the request was refused: …" and holds nothing that the
    peer sent.  ``status`` is that of the response, 0 for the reason's own, and ``error_code``
    is MLflow's word for it, empty for the reason's own.  ``head`` is the head of the request that
    is wrong, for the log, where it is known.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: Reason = Reason.REQUEST_MALFORMED,
        status: int = 0,
        error_code: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.status = status
        self.error_code = error_code
        self.head = b""


def ambiguous(message: str) -> ProtocolError:
    """Something that two programs could read in two ways (RFC 9112 section 11.2)."""
    return ProtocolError(message, reason=Reason.REQUEST_AMBIGUOUS)
