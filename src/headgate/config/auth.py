"""Authentication of clients: the key store, and the rules for keys."""

from __future__ import annotations

import enum
from pathlib import Path

from pydantic import Field, SecretStr

from headgate.config.issuers import Issuer
from headgate.config.key_digests import BreakGlass, Digest, read_digest
from headgate.config.restart import RELOADED
from headgate.config.section import Seconds, Section

DAY = 86_400.0


class AuthMode(enum.StrEnum):
    """How clients authenticate."""

    KEYS = "keys"
    NONE = "none"


class KeyRules(Section):
    """Rules for new keys."""

    default_life: Seconds | None = Field(
        None, description="Seconds after which a key expires that is created without an end."
    )
    maximum_life: Seconds | None = Field(
        None, description="Longest life in seconds that a new key may be given. Default: any."
    )
    notice: Seconds = Field(
        14 * DAY,
        description="Seconds before its end from which the gate announces that a key expires: in "
        "the event log, a metric and the response header `X-Headgate-Key-Expires`.",
    )
    rotation_overlap: Seconds = Field(
        DAY, description="Seconds for which a key is still accepted after it was rotated."
    )


class Auth(Section):
    """Authentication of clients."""

    mode: AuthMode = Field(
        AuthMode.KEYS,
        description="`keys`: every client needs an API key, or a token of one of `auth.issuers`. "
        "`none`: no authentication; allowed only on a loopback address.",
    )
    refresh_interval: Seconds = Field(
        0.5, le=1.0, description="Seconds between checks for new and revoked keys, in each worker."
    )
    database_url_file: Path | None = Field(
        None,
        description="File with the URL of a PostgreSQL database that several gates share as their "
        "key store, such as `postgresql://headgate:…@db.internal/headgate?sslrootcert="
        "/etc/db-ca.pem`. The gate reads it again when it changes. The connection is encrypted and "
        "the server's certificate checked for its host name (`sslmode=verify-full`), unless the "
        "host is this machine or the URL has another `sslmode`. The tables are made by `headgate "
        "db upgrade`. Default: a SQLite file in the data folder.",
    )
    database_url: SecretStr | None = Field(
        None,
        description="That URL itself, in the place of `auth.database_url_file`, for platforms that "
        "hand out secrets as environment variables. No command prints it, and the gate removes the "
        "variable from its own environment. The gate reads it at its start alone: a changed "
        "password needs new gates.",
    )
    max_stale: Seconds = Field(
        DAY,
        description="Seconds for which the keys in memory are accepted while the key store cannot "
        "be read. After them every key is refused with 503, since a gate that cannot read the "
        "store does not hear of revocations.",
    )
    fence: Seconds | None = Field(
        None,
        ge=60,
        description="Seconds for which the gate sends requests to MLflow although it cannot report "
        "to the key store, and so may not hear of a park. After them it holds requests as if "
        "parked until the store is back, and after twice these seconds it cuts off those that "
        "may change something. A gate that was silent for that long and a minute more counts as "
        "gone, so that none that was killed keeps a park from beginning. At least 60. Default: it "
        "goes on, and counts until an operator removes it.",
    )
    keys: KeyRules = KeyRules()
    first_key_sha256: Digest | None = Field(
        None,
        description="SHA-256 of a key that a new key store takes as its first one, with the role "
        "`admin`, for at most 7 days: 64 hexadecimal digits. A store takes one once in its life.",
    )
    first_key_sha256_file: Path | None = Field(
        None, description="File with that SHA-256, in the place of `auth.first_key_sha256`."
    )
    break_glass: tuple[BreakGlass, ...] = Field(
        (),
        json_schema_extra=RELOADED,
        description="Keys for an emergency, which are accepted also while the key store cannot be "
        "read. Default: none.",
    )
    issuers: dict[str, Issuer] = Field(
        default_factory=dict,
        json_schema_extra=RELOADED,
        description="Issuers of tokens (JWT), by name.",
    )

    @property
    def has_shared_store(self) -> bool:
        """Whether the key store is a PostgreSQL database that gates share."""
        return self.database_url is not None or self.database_url_file is not None

    @property
    def first_key(self) -> bytes | None:
        """The SHA-256 of the key that a new key store takes as its first one, if there is one.

        Raises:
            HeadgateError: the file that it is in cannot be read.
        """
        text = self.first_key_sha256
        if self.first_key_sha256_file is not None:
            text = read_digest(self.first_key_sha256_file)
        return None if text is None else bytes.fromhex(text)
