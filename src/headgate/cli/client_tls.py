"""TLS as a client of the gate: the certificates that MLflow's client would use."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Mapping

from headgate.errors import HeadgateError
from headgate.net.causes import in_words

AUTHORITIES = "MLFLOW_TRACKING_SERVER_CERT_PATH"
CERTIFICATE = "MLFLOW_TRACKING_CLIENT_CERT_PATH"
INSECURE = "MLFLOW_TRACKING_INSECURE_TLS"
_AUTHORITIES = (AUTHORITIES, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""In the order in which MLflow's client and requests, beneath it, look at them."""
CURE = f"set {AUTHORITIES} to the file of its authority"
CERTIFICATE_CURE = f"set {CERTIFICATE} to a PEM file that holds a certificate and its key"


def context(environment: Mapping[str, str]) -> ssl.SSLContext:
    """The settings of a TLS connection to the gate.

    Raises:
        HeadgateError: a file that the environment names is not fit; it names the variable.
    """
    made = ssl.create_default_context()
    name = next((each for each in _AUTHORITIES if environment.get(each)), None)
    if environment.get(INSECURE, "").lower() in ("true", "1"):
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    elif name is not None:
        _load(
            name, environment[name], "no certificate in PEM form", lambda file: _trust(made, file)
        )
    if environment.get(CERTIFICATE):
        what = "no certificate with its unencrypted key in PEM form"
        _load(CERTIFICATE, environment[CERTIFICATE], what, lambda file: _own(made, file))
    return made


def explained(error: BaseException, url: str, environment: Mapping[str, str]) -> str:
    """What failed on the way to ``url``, and which variable helps where one may."""
    said = in_words(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{said}; {CURE}"
    # A server that demands a certificate ends the connection after the handshake (TLS 1.3), and
    # often its alert is lost with it.
    refused = isinstance(error, ssl.SSLError) and "CERTIFICATE_REQUIRED" in (error.reason or "")
    lost = isinstance(error, ConnectionError) and not isinstance(error, ConnectionRefusedError)
    if refused:
        return f"{said}; {CERTIFICATE_CURE}"
    if lost and url.startswith("https:") and not environment.get(CERTIFICATE):
        return f"{said}; where it demands a certificate of its clients, {CERTIFICATE_CURE}"
    return said


def _load(name: str, file: str, lacks: str, load: Callable[[str], None]) -> None:
    try:
        if os.path.isdir(file):  # of hashed names, which OpenSSL reads when it needs one
            os.listdir(file)
        else:
            with open(file, "rb") as opened:
                opened.read(1)
        load(file)
    except ssl.SSLError:
        raise HeadgateError(f"{name} names {file}, which holds {lacks}") from None
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
    def passphrase() -> str:  # or else OpenSSL asks for it on the terminal
        raise ssl.SSLError("the key is encrypted")

    made.load_cert_chain(file, password=passphrase)
