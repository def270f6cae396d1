"""The raw client over TLS."""

from __future__ import annotations

import socket
import ssl

from cryptography import x509

from tests.support.byte_stream import WAIT_SECONDS, ByteStream
from tests.support.certificates import Authority, Certificate
from tests.support.raw import RawClient


class TlsClient(RawClient):
    """A connection to ``host`` and ``port`` whose certificate ``context`` accepts.

    Raises:
        ssl.SSLError: one side does not accept the other.
    """

    def __init__(self, host: str, port: int, context: ssl.SSLContext) -> None:
        connection = socket.create_connection((host, port), timeout=WAIT_SECONDS)
        try:
            self._tls = context.wrap_socket(connection, server_hostname=host)
        except OSError:
            connection.close()
            raise
        ByteStream.__init__(self, self._tls)

    @property
    def protocol(self) -> str | None:
        """The application protocol that was agreed on (ALPN)."""
        return self._tls.selected_alpn_protocol()

    @property
    def serial(self) -> int:
        """The serial number of the certificate that was shown."""
        shown = self._tls.getpeercert(binary_form=True)
        assert shown is not None
        return x509.load_der_x509_certificate(shown).serial_number


def client_context(
    authority: Authority, own: Certificate | None = None, protocols: tuple[str, ...] = ()
) -> ssl.SSLContext:
    """A client that trusts ``authority`` alone, and may show a certificate of its ``own``."""
    context = ssl.create_default_context(cafile=authority.certificate)
    if own is not None:
        context.load_cert_chain(own.certificate, own.key)
    if protocols:
        context.set_alpn_protocols(protocols)
    return context
