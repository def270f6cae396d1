"""The gate's own credentials at an upstream, read from their files."""

from __future__ import annotations

import base64
from pathlib import Path

from headgate.config import Credentials
from headgate.errors import HeadgateError


def own_authorization(settings: Credentials) -> str:
    """What the gate puts into ``Authorization`` on its way to MLflow; empty if nothing.

    Raises:
        HeadgateError: a file cannot be read, or holds no secret.
    """
    if settings.token_file is not None:
        token = _secret(settings.token_file)
        if not token.isascii() or " " in token:
            raise HeadgateError(f"{settings.token_file} holds no token")
        return f"Bearer {token}"
    if settings.password_file is not None:
        pair = f"{settings.username}:{_secret(settings.password_file)}"
        return f"Basic {base64.b64encode(pair.encode()).decode('ascii')}"
    return ""


def _secret(file: Path) -> str:
    """The first line of a file, which must be its only one."""
    try:
        text = file.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise HeadgateError(f"{file} is not text in UTF-8") from None
    except OSError as error:
        raise HeadgateError(f"{file} cannot be read: {error.strerror or error}") from None
    if not text or not text.isprintable():
        raise HeadgateError(f"{file} must hold one line of text, the secret")
    return text
