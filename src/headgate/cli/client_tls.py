"""TLS as a client of the gate, with the certificates that MLflow's client would use."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Mapping

from headgate.errors import HeadgateError
from headgate.symptoms import in_words

AUTHORITIES = "MLFLOW_TRACKING_SERVER_CERT_PATH"
CERTIFICATE = "MLFLOW_TRACKING_CLIENT_CERT_PATH"
INSECURE = "MLFLOW_TRACKING_INSECURE_TLS"
_AUTHORITIES = (AUTHORITIES, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""In the order in which MLflow's client, and requests below it, use them."""
CURE = f"set {AUTHORITIES} to the file of its certificate authority"
CERTIFICATE_CURE = f"set {CERTIFICATE} to a PEM file with a certificate and its key"


def context(environment: Mapping[str, str]) -> ssl.SSLContext:
    """The TLS context of a connection to the gate.

    Raises:
        HeadgateError: a file is invalid; the message names the environment variable.
    """
    made = ssl.create_default_context()
    name = next((each for each in _AUTHORITIES if environment.get(each)), None)
    if environment.get(INSECURE, "").lower() in ("true", "1"):
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    elif name is not None:
        _load(
            name, environment[name], "no certificate in PEM format", lambda file: _trust(made, file)
        )
    if environment.get(CERTIFICATE):
        what = "no certificate with its unencrypted key in PEM format"
        _load(CERTIFICATE, environment[CERTIFICATE], what, lambda file: _own(made, file))
    return made


def explained(error: BaseException, url: str, environment: Mapping[str, str]) -> str:
    """The message for a failed connection to ``url``, with the variable to set, if any."""
    said = in_words(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{said}; {CURE}"
    # With TLS 1.3, a server that requires a certificate closes the connection after the
    # handshake, and its alert is often lost.
    refused = isinstance(error, ssl.SSLError) and "CERTIFICATE_REQUIRED" in (error.reason or "")
    lost = isinstance(error, ConnectionError) and not isinstance(error, ConnectionRefusedError)
    if refused:
        return f"{said}; {CERTIFICATE_CURE}"
    if lost and url.startswith("https:") and not environment.get(CERTIFICATE):
        return f"{said}; if the server requires a client certificate, {CERTIFICATE_CURE}"
    return said


def _load(name: str, file: str, lacks: str, load: Callable[[str], None]) -> None:
    try:
        if os.path.isdir(file):  # with hashed names, which OpenSSL reads on demand
            os.listdir(file)
        else:
            with open(file, "rb") as opened:
                opened.read(1)
        load(file)
    except ssl.SSLError:
        raise HeadgateError(f"{name} names {file}, which contains {lacks}") from None
    except OSError as error:
        raise HeadgateError(
            f"{name} names {file}, which cannot be read: {in_words(error)}"
        ) from None


def _trust(made: ssl.SSLContext, file: str) -> None:
    if os.path.isdir(file):
        made.load_verify_locations(capath=file)
    else:
        made.load_verify_locations(file)


def _own(made: ssl.SSLContext, file: str) -> None:
    def passphrase() -> str:  # otherwise OpenSSL prompts for it on the terminal
        raise ssl.SSLError("the key is encrypted")

    made.load_cert_chain(file, password=passphrase)
