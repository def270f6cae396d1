"""The TLS context of connections to MLflow."""

from __future__ import annotations

import ssl

from headgate.config import Upstream
from headgate.config.certificate_files import PROTOCOLS, show, trust
from headgate.config.files import Files


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
        trust(context, tls.ca, files)
    if tls.certificate is not None and tls.key is not None:
        show(context, tls.certificate, tls.key, files)
    return context
