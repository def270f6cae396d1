"""One attempt to send a request, with the data that explains a failure."""

from __future__ import annotations

import enum
import errno
import html
import json
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from urllib3 import exceptions as urllib3_exceptions

_MESSAGE_LIMIT = 500
_UNREACHABLE = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN})

# MLflow's own middleware answers in plain text (mlflow/server/security_utils.py).
INVALID_HOST = "Invalid Host header"
CROSS_ORIGIN = "Cross-origin request blocked"
_MLFLOW_PHRASES = (INVALID_HOST, CROSS_ORIGIN)
# A script or style element, or a tag; one that is truncated extends to the end.
_MARKUP = re.compile(
    r"<(?:script|style)\b(?:[^<]|<(?!/(?:script|style)\b))*+|<[^>]*+>?+", re.IGNORECASE
)


class Fault(enum.StrEnum):
    """Why a request got no response."""

    REFUSED = "refused"
    UNKNOWN_NAME = "unknown_name"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    PROXY = "proxy"
    CONNECT_TIMEOUT = "connect_timeout"
    READ_TIMEOUT = "read_timeout"
    BROKEN_OFF = "broken_off"
    OTHER = "other"


class Answerer(enum.StrEnum):
    """Who made the response."""

    GATE = "gate"
    MLFLOW = "mlflow"
    OTHER = "other"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its response (``status``), or why there was none (``fault``).

    ``path`` has no query: queries can contain credentials.  ``reason`` is the value of
    ``X-Headgate-Reason``, which only responses of the gate itself have.
    """

    method: str
    path: str
    status: int = 0
    fault: Fault | None = None
    reason: str = ""
    request_id: str = ""
    content_type: str = ""
    server: str = ""
    location: str = ""
    message: str = ""
    error_code: str = ""

    @property
    def failed(self) -> bool:
        """Whether the request got no response, or a response other than success."""
        return self.fault is not None or self.status >= 300

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def answered(
    method: str, target: str, status: int, headers: Mapping[str, str], body: bytes
) -> Exchange:
    """The exchange of a response; ``body`` may be empty where nobody needs to read it."""
    document = _json_object(body)
    return Exchange(
        method=method,
        path=urlsplit(target).path or "/",
        status=status,
        reason=headers.get("X-Headgate-Reason", ""),
        request_id=headers.get("X-Request-ID", ""),
        content_type=headers.get("Content-Type", "").partition(";")[0].strip().lower(),
        server=headers.get("Server", ""),
        location=headers.get("Location", ""),
        message=_message(document, body),
        error_code=str(document.get("error_code", "")),
    )


def unanswered(method: str, target: str, error: BaseException) -> Exchange:
    """The exchange of a request that got no response."""
    return Exchange(
        method=method,
        path=urlsplit(target).path or "/",
        fault=fault_of(error),
        message=_in_words(error),
    )


def answerer(exchange: Exchange | None) -> Answerer | None:
    """Who made a response: the gate marks its own; MLflow is known by its shapes."""
    if exchange is None:
        return None
    if exchange.fault is not None:
        return Answerer.NOBODY
    if exchange.failed and exchange.reason:
        return Answerer.GATE
    return Answerer.MLFLOW if _looks_like_mlflow(exchange) else Answerer.OTHER


def _looks_like_mlflow(exchange: Exchange) -> bool:
    return (
        bool(exchange.error_code)
        or (not exchange.failed and exchange.content_type != "text/html")
        or bool(re.search(r"uvicorn|gunicorn|waitress|werkzeug", exchange.server, re.IGNORECASE))
        or any(phrase in exchange.message for phrase in _MLFLOW_PHRASES)
    )


# In order of precedence: the failure of a proxy contains that of a connection.
_FAULTS: tuple[tuple[Fault, tuple[type[BaseException], ...]], ...] = (
    (Fault.PROXY, (urllib3_exceptions.ProxyError,)),
    (Fault.UNKNOWN_NAME, (socket.gaierror,)),
    (Fault.TLS, (ssl.SSLError, urllib3_exceptions.SSLError)),
    (Fault.REFUSED, (ConnectionRefusedError,)),
    (Fault.CONNECT_TIMEOUT, (urllib3_exceptions.ConnectTimeoutError,)),
    (Fault.READ_TIMEOUT, (urllib3_exceptions.ReadTimeoutError,)),
    (
        Fault.BROKEN_OFF,
        (
            ConnectionResetError,
            BrokenPipeError,
            urllib3_exceptions.ProtocolError,
        ),
    ),
)


def fault_of(error: BaseException) -> Fault:
    """Classify an exception of requests or urllib3 by its causes."""
    links = tuple(_chain(error, set()))
    if any(isinstance(link, OSError) and link.errno in _UNREACHABLE for link in links):
        return Fault.UNREACHABLE
    for fault, types in _FAULTS:
        if any(isinstance(link, types) for link in links):
            return fault
    return Fault.OTHER


def _chain(error: object, seen: set[int]) -> Iterator[BaseException]:
    """An exception and all its causes: requests and urllib3 nest them in three ways."""
    if not isinstance(error, BaseException) or id(error) in seen:
        return
    seen.add(id(error))
    yield error
    for inner in (error.__cause__, error.__context__, getattr(error, "reason", None), *error.args):
        yield from _chain(inner, seen)


# Numbers and source lines in messages of OpenSSL and Python.
_ORIGIN = re.compile(r"\[Errno -?\d+\]\s*|\[[A-Z: _0-9]{5,}\]\s*|(?<!\s)\s*+\(_ssl\.c:\d+\)")


def _in_words(error: BaseException) -> str:
    """The message of the root cause, which the outer exceptions repeat in their own notation."""
    links = [link for link in _chain(error, set()) if isinstance(link, OSError) and link.strerror]
    # requests' exceptions are OSErrors too, without a message of the system.
    words = str(links[-1].strerror) if links else str(error)
    return " ".join(_ORIGIN.sub("", words).split())[:_MESSAGE_LIMIT]


def _json_object(body: bytes) -> dict[str, object]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _message(document: Mapping[str, object], body: bytes) -> str:
    for field in ("message", "detail"):  # MLflow and the gate; FastAPI
        if document.get(field):
            return " ".join(str(document[field]).split())[:_MESSAGE_LIMIT]
    text = _MARKUP.sub(" ", body.decode(errors="replace"))
    return " ".join(html.unescape(text).split())[:_MESSAGE_LIMIT]
