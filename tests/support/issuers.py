"""A real issuer of tokens on a free port: discovery, a JWKS, and the faults that both may have.

What the gate believes of an issuer is its name, which stays the real one, such as
``https://token.actions.githubusercontent.com``; the gate's configuration says where its keys are
fetched.  The claims of each real issuer are in ``issued_tokens.py``.
"""

from __future__ import annotations

import base64
import enum
import json
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from tests.support.certificates import Certificate
from tests.support.signing import SigningKey, as_json, new_key, signed

DISCOVERY: Final = "/.well-known/openid-configuration"
JWKS: Final = "/jwks"
HUGE: Final = 10 * 2**20
_HOLD_SECONDS: Final = 60.0


class Fault(enum.Enum):
    """What is wrong with an issuer."""

    NONE = "nothing"
    ERROR = "503 to everything"
    RESET = "connections are closed without a response"
    SILENT = "no response until the fault is over"
    HUGE = "a JWKS of 10 MiB"
    HTML = "a web page instead of JSON"
    NO_KEYS = "an empty JWKS"
    OTHER_ISSUER = "discovery names another issuer"
    REDIRECT = "the JWKS has moved to another host"


@dataclass(frozen=True)
class Request:
    """One request to an issuer's server; the names of ``fields`` are in lower case."""

    target: str
    fields: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        """The target without its query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> Mapping[str, str]:
        """The first value of each parameter."""
        return _first(urlsplit(self.target).query)

    @property
    def form(self) -> Mapping[str, str]:
        """The first value of each field of a form in the body."""
        return _first(self.body.decode())


def _first(query: str) -> Mapping[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}


@dataclass(frozen=True)
class Response:
    """One response of an issuer's server."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    location: str = ""


class Issuer:
    """An issuer that publishes its keys; ``running_issuer`` makes it.

    Attributes:
        name: what stands in ``iss``.
        url: where the server listens.
        keys: the published ones; the first signs.
        fetched: how often each path was asked for.
        shown: the header fields of all requests.
        extra_jwks: what else stands in the JWKS.
        routes: what it serves beside discovery and keys, by path; such as a place that hands out
            tokens.
    """

    def __init__(self, name: str, url: str, key: SigningKey) -> None:
        self.name = name or url
        self.url = url
        self.keys = [key]
        self.fetched: Counter[str] = Counter()
        self.shown: list[Mapping[str, str]] = []
        self.extra_jwks: list[Mapping[str, Any]] = []
        self.routes: dict[str, Callable[[Request], Response]] = {}
        self._fault = Fault.NONE
        self._mended = threading.Event()
        self._mended.set()

    @property
    def fault(self) -> Fault:
        """What is wrong with the issuer now."""
        return self._fault

    @fault.setter
    def fault(self, fault: Fault) -> None:
        self._fault = fault
        if fault is Fault.SILENT:
            self._mended.clear()
        else:
            self._mended.set()

    @property
    def discovery_url(self) -> str:
        """Where the discovery document is."""
        return self.url + DISCOVERY

    @property
    def jwks_url(self) -> str:
        """Where the keys are."""
        return self.url + JWKS

    def token(
        self,
        claims: Mapping[str, Any],
        header: Mapping[str, Any] | None = None,
        key: SigningKey | None = None,
    ) -> str:
        """A token with exactly these claims and this header.

        By default it is signed with the first published key, and says so.
        """
        key = key or self.keys[0]
        made = {"typ": "JWT", "alg": key.algorithm, "kid": key.kid}
        return signed(made if header is None else header, claims, key)

    def rotate(self, kid: str, *, keep: bool = True) -> SigningKey:
        """Sign with a new key from now on; publish the former ones too, or no longer."""
        key = new_key(kid, self.keys[0].algorithm)
        self.keys = [key, *(self.keys if keep else [])]
        return key

    def jwks(self) -> bytes:
        """The published keys (RFC 7517 section 5)."""
        return as_json({"keys": [*(each.public_jwk() for each in self.keys), *self.extra_jwks]})

    def document(self) -> bytes:
        """The discovery document, with what OpenID Connect Discovery section 3 requires."""
        name = "https://elsewhere.example" if self.fault is Fault.OTHER_ISSUER else self.name
        return as_json(
            {
                "issuer": name,
                "jwks_uri": self.jwks_url,
                "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": [self.keys[0].algorithm],
            }
        )

    def respond(self, request: Request) -> Response | None:
        """What to send for one request; ``None``: close without a response."""
        self.fetched[request.path] += 1
        self.shown.append(request.fields)
        if self.fault is Fault.RESET:
            return None
        if self.fault is Fault.SILENT:
            self._mended.wait(_HOLD_SECONDS)
        return self._faulty(request.path) or self._sound(request)

    def _faulty(self, path: str) -> Response | None:
        """What the fault makes of a response; ``None`` if it leaves this one alone."""
        everywhere = {
            Fault.ERROR: Response(b"down for maintenance", 503, "text/plain"),
            Fault.HTML: Response(b"<html>log in</html>", content_type="text/html"),
        }
        at_the_keys = {
            Fault.REDIRECT: Response(b"", 302, location="http://127.0.0.1:9/elsewhere"),
            Fault.HUGE: Response(b'{"keys":[' + b" " * HUGE + b"]}"),
            Fault.NO_KEYS: Response(b'{"keys":[]}'),
        }
        return everywhere.get(self.fault) or (at_the_keys.get(self.fault) if path == JWKS else None)

    def _sound(self, request: Request) -> Response:
        pages = {DISCOVERY: self.document, JWKS: self.jwks}
        if request.path in pages:
            return Response(pages[request.path]())
        if request.path in self.routes:
            return self.routes[request.path](request)
        return Response(b"no such page", 404, "text/plain")


@contextmanager
def running_issuer(
    name: str = "",
    algorithm: str = "RS256",
    *,
    kid: str = "issuer-key-1",
    certificate: Certificate | None = None,
) -> Iterator[Issuer]:
    """Run an issuer until the block ends; without ``name``, it is named by its own URL.

    With a ``certificate`` it speaks HTTPS.
    """
    server = _Server(("127.0.0.1", 0), _Handler)
    scheme = "http"
    if certificate is not None:
        scheme = "https"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate, certificate.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    server.issuer = Issuer(name, url, new_key(kid, algorithm))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.issuer
    finally:
        server.issuer.fault = Fault.NONE  # what waits for the end of a fault must end
        server.shutdown()
        thread.join()
        server.server_close()


def claims_of(token: str) -> dict[str, Any]:
    """The claims of a token, not verified."""
    part = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    issuer: Issuer

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients leave as they like."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        """Send what the issuer says."""
        fields = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(fields.get("content-length", "0")))
        made = self.server.issuer.respond(Request(self.path, fields, body))
        if made is None:
            self.close_connection = True
            return
        self.send_response(made.status)
        if made.location:
            self.send_header("Location", made.location)
        self.send_header("Content-Type", made.content_type)
        self.send_header("Content-Length", str(len(made.body)))
        self.end_headers()
        self.wfile.write(made.body)

    do_POST = do_GET  # noqa: N815 - the name is the standard library's

    def log_message(self, *args: object) -> None:
        """Tests look at ``fetched``."""
