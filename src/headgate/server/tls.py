"""TLS contexts for both sides, from certificate files."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

from headgate.config import ListenTls, Upstream
from headgate.errors import HeadgateError


class ListenerTls:
    """The listener's TLS context, which takes up changed certificate files.

    Raises:
        HeadgateError: a file cannot be read, or does not hold what it should.
    """

    def __init__(self, settings: ListenTls) -> None:
        self._settings = settings
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        if settings.client_ca is not None:
            self.context.verify_mode = ssl.CERT_REQUIRED
            _load(self.context.load_verify_locations, settings.client_ca)
        self._seen = self._versions()
        self._load_certificate()

    def refresh(self) -> bool:
        """Read the certificate again if its files changed; whether it did.

        Connections that are open keep the certificate they began with.

        Raises:
            HeadgateError: the new files are not fit; the old certificate stays in use.
        """
        versions = self._versions()
        if versions == self._seen:
            return False
        self._seen = versions
        # A context takes half of a bad pair before it complains: try it on another one.
        _load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain, *self._files())
        self._load_certificate()
        return True

    def _load_certificate(self) -> None:
        _load(self.context.load_cert_chain, *self._files())

    def _files(self) -> tuple[Path, Path]:
        return self._settings.certificate, self._settings.key

    def _versions(self) -> tuple[tuple[int, int] | None, ...]:
        return tuple(_version(file) for file in self._files())


def upstream_context(settings: Upstream) -> ssl.SSLContext | None:
    """The TLS context for connections to MLflow; None when its URL is not ``https``.

    Raises:
        HeadgateError: a file cannot be read, or does not hold what it should.
    """
    if not settings.url.startswith("https:"):
        return None
    tls = settings.tls
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls.ca is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # the named authorities alone
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        _load(context.load_verify_locations, tls.ca)
    if tls.certificate is not None and tls.key is not None:
        _load(context.load_cert_chain, tls.certificate, tls.key)
    return context


def _load(load: Callable[..., None], *files: Path) -> None:
    names = " and ".join(map(str, files))
    try:
        load(*files)
    except ssl.SSLError as error:
        raise HeadgateError(f"{names}: no fit PEM certificate and key ({error.reason})") from error
    except OSError as error:
        raise HeadgateError(f"{names}: {error.strerror or error}") from error


def _version(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino
