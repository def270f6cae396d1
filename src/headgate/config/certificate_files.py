"""Certificates and private keys in TLS contexts, from files in PEM form."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import NoReturn

from headgate.config.files import Files, as_path
from headgate.errors import HeadgateError

PROTOCOLS = ["http/1.1"]
"""What is offered by ALPN on both sides."""


def show(context: ssl.SSLContext, certificate: Path, key: Path, files: Files) -> None:
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
        trust(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), certificate, files)
        raise HeadgateError(f"{key} holds no private key in PEM form") from error


def trust(context: ssl.SSLContext, authorities: Path, files: Files) -> None:
    """Let ``context`` trust the authorities in a file.

    Raises:
        HeadgateError: the file is not fit.
    """
    try:
        with as_path(files.read(authorities), authorities) as at:
            context.load_verify_locations(at)
    except ssl.SSLError as error:
        raise HeadgateError(f"{authorities} holds no certificate in PEM form") from error
