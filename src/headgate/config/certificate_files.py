"""Certificates and private keys in TLS contexts, from files in PEM form."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import NoReturn

from headgate.config.files import Files, as_path
from headgate.errors import HeadgateError

PROTOCOLS = ["http/1.1"]
"""The protocols that the gate offers by ALPN, to clients and to MLflow."""


def show(context: ssl.SSLContext, certificate: Path, key: Path, files: Files) -> None:
    """Load a certificate and its private key into ``context``.

    Raises:
        HeadgateError: one of the files cannot be read or is invalid.
    """

    def passphrase() -> NoReturn:  # otherwise OpenSSL prompts for it on the terminal
        raise HeadgateError(f"{key} is encrypted; use an unencrypted private key")

    shown, secret = files.read(certificate), files.read(key)
    try:
        with as_path(shown, certificate) as shown_at, as_path(secret, key) as secret_at:
            context.load_cert_chain(shown_at, secret_at, passphrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise HeadgateError(
                f"the private key in {key} does not belong to the certificate in {certificate}"
            ) from error
        # Report the certificate if that is what is invalid.
        trust(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), certificate, files)
        raise HeadgateError(f"{key} contains no private key in PEM format") from error


def trust(context: ssl.SSLContext, authorities: Path, files: Files) -> None:
    """Load the certificate authorities in a file into ``context``.

    Raises:
        HeadgateError: the file cannot be read or is invalid.
    """
    try:
        with as_path(files.read(authorities), authorities) as at:
            context.load_verify_locations(at)
    except ssl.SSLError as error:
        raise HeadgateError(f"{authorities} contains no certificate in PEM format") from error
