"""TLS contexts for both sides, from certificate files."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import NoReturn

from headgate.config import ListenTls, Upstream
from headgate.errors import HeadgateError
from headgate.server.files import Files, as_path
from headgate.server.watch import FileWatch

PROTOCOLS = ["http/1.1"]


class ListenerTls:
    """The listener's TLS, which takes up changed files.

    ``context`` is for the listener, for as long as it lasts.  Each handshake is done with the
    certificate, the key and the authorities that are in use when it begins.

    ``files`` is where they are read at first; ``fresh`` says whether that is the disk.  ``seen``
    is what the files in use hold, by path.

    Raises:
        HeadgateError: a file cannot be read, or does not hold what it should.
    """

    def __init__(
        self, settings: ListenTls, files: Files | None = None, *, fresh: bool = True
    ) -> None:
        named = (settings.certificate, settings.key, settings.client_ca)
        files = Files() if files is None else files
        self._settings = settings
        self._watch = FileWatch(*filter(None, named), taken=fresh)
        self._in_use = _listener_context(settings, files)
        self.seen = {str(each): files.seen[str(each)] for each in filter(None, named)}
        self.context = _bare_listener_context(settings)
        # OpenSSL asks before it looks at anything else, with a server name or without one.
        self.context.sni_callback = self._choose

    def refresh(self) -> bool:
        """Read the files again if they have changed; whether they had.

        Connections that are open keep the certificate they began with.

        Raises:
            HeadgateError: the new files are not fit; the old ones stay in use.
        """
        if not self._watch.changed():
            return False
        files = Files()
        self._in_use = _listener_context(self._settings, files)
        self.seen = files.seen
        return True

    def _choose(self, connection: ssl.SSLObject, _name: str, _context: ssl.SSLContext) -> None:
        connection.context = self._in_use


def upstream_context(settings: Upstream, files: Files | None = None) -> ssl.SSLContext | None:
    """The TLS context for connections to MLflow; None when its URL is not ``https``.

    Raises:
        HeadgateError: a file cannot be read, or does not hold what it should.
    """
    if not settings.is_https:
        return None
    tls = settings.tls
    files = Files() if files is None else files
    # It trusts the authorities that are named, and no others; without a name, the system's.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if tls.ca else ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(PROTOCOLS)
    if tls.ca is not None:
        _trust(context, tls.ca, files)
    if tls.certificate is not None and tls.key is not None:
        _show(context, tls.certificate, tls.key, files)
    return context


def _listener_context(settings: ListenTls, files: Files) -> ssl.SSLContext:
    context = _bare_listener_context(settings)
    _show(context, settings.certificate, settings.key, files)
    if settings.client_ca is not None:
        _trust(context, settings.client_ca, files)
    return context


def _bare_listener_context(settings: ListenTls) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(PROTOCOLS)
    if settings.client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        # A session that is taken up again would not be held to authorities that have changed.
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
    return context


def _show(context: ssl.SSLContext, certificate: Path, key: Path, files: Files) -> None:
    """Let ``context`` show a certificate.

    Raises:
        HeadgateError: one of the files is not fit.
    """

    def passphrase() -> NoReturn:  # or else OpenSSL asks for it on the terminal, and waits
        raise HeadgateError(f"{key} is encrypted; give Headgate a private key that is not")

    shown, secret = files.read(certificate), files.read(key)
    try:
        with as_path(shown, certificate) as shown_at, as_path(secret, key) as secret_at:
            context.load_cert_chain(shown_at, secret_at, passphrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise HeadgateError(f"the key in {key} is not that of {certificate}") from error
        # To see whose fault it is.
        _trust(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), certificate, files)
        raise HeadgateError(f"{key} holds no private key in PEM form") from error


def _trust(context: ssl.SSLContext, authorities: Path, files: Files) -> None:
    """Let ``context`` trust the authorities in a file.

    Raises:
        HeadgateError: the file is not fit.
    """
    try:
        with as_path(files.read(authorities), authorities) as at:
            context.load_verify_locations(at)
    except ssl.SSLError as error:
        raise HeadgateError(f"{authorities} holds no certificate in PEM form") from error
