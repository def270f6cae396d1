"""The TLS context of the listener, which takes up changed certificate files."""

from __future__ import annotations

import ssl

from headgate.config import ListenTls
from headgate.config.certificate_files import PROTOCOLS, show, trust
from headgate.config.files import Files
from headgate.runtime.file_watch import FileWatch


class ListenerTls:
    """The listener's TLS, which takes up changed files.

    ``context`` is for the listener, for as long as it lasts.  Each handshake is done with the
    certificate, the key and the authorities that are in use when it begins.

    ``files`` is where they are read at first; ``fresh`` says whether that is the disk.  ``seen``
    are the contents of the files in use, by path.

    Raises:
        HeadgateError: a file cannot be read, or its content is not usable.
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


def _listener_context(settings: ListenTls, files: Files) -> ssl.SSLContext:
    context = _bare_listener_context(settings)
    show(context, settings.certificate, settings.key, files)
    if settings.client_ca is not None:
        trust(context, settings.client_ca, files)
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
