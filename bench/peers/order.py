"""What a proxy is to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.certificates import Certificate


@dataclass(frozen=True)
class TokenIssuer:
    """Whose tokens a proxy accepts: its name, the audience, and its keys in a file (JWKS)."""

    name: str
    audience: str
    jwks_file: Path


@dataclass(frozen=True)
class Order:
    """What a proxy is to do: forward to ``upstream`` (``host:port``), letting ``key`` in.

    Attributes:
        folder: its own.
        upstream: where MLflow is, or what stands for it.
        key: known to the store in ``folder/data`` if the proxy is the gate.
        workers: how many.
        certificate: with one it serves HTTPS.
        issuer: whose tokens it accepts, in place of keys or beside them.
        under: a command that is to run the program, such as valgrind; then it may take its time.
    """

    folder: Path
    upstream: str
    key: str
    workers: int = 1
    certificate: Certificate | None = None
    issuer: TokenIssuer | None = None
    under: Sequence[str] = ()
