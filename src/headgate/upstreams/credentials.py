"""Which credentials an upstream is sent, read from their files."""

from __future__ import annotations

import base64
from pathlib import Path

from headgate.config import CredentialPolicy, CredentialSettings
from headgate.config.files import Files
from headgate.dataplane.terms import ClientCredentials, FixedCredentials, UpstreamCredentials
from headgate.errors import HeadgateError

LONGEST_SECRET = 16 * 1024
"""Bytes; MLflow's server takes 64 KiB of header fields in all."""


def upstream_credentials(settings: CredentialSettings, files: Files) -> UpstreamCredentials:
    """What the settings ask for.

    Raises:
        HeadgateError: a file cannot be read, or holds no secret.
    """
    if settings.policy is CredentialPolicy.PASS:
        return ClientCredentials()
    return FixedCredentials(own_authorization(settings, files))


def own_authorization(settings: CredentialSettings, files: Files | None = None) -> str:
    """The value of ``Authorization`` that the gate sends MLflow; empty if it sends none.

    Raises:
        HeadgateError: a file cannot be read, or holds no secret.
    """
    files = Files() if files is None else files
    if settings.token_file is not None:
        token = _secret(settings.token_file, files)
        if not token.isascii() or " " in token:
            raise HeadgateError(f"{settings.token_file} holds no token")
        return f"Bearer {token}"
    if settings.password_file is not None:
        pair = f"{settings.username}:{_secret(settings.password_file, files)}"
        return f"Basic {base64.b64encode(pair.encode()).decode('ascii')}"
    return ""


def _secret(file: Path, files: Files) -> str:
    """The first line of a file, which must be its only one."""
    content = files.read(file)
    if len(content) > LONGEST_SECRET:
        raise HeadgateError(f"{file} is longer than any secret ({LONGEST_SECRET} bytes)")
    try:
        text = content.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise HeadgateError(f"{file} is not text in UTF-8") from None
    if not text or not text.isprintable():
        raise HeadgateError(f"{file} must hold one line of text, the secret")
    return text
