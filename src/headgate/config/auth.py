"""Authentication of clients: the key store, and the rules for keys."""

from __future__ import annotations

import enum
from pathlib import Path

from pydantic import Field

from headgate.config.issuers import Issuer
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
    max_stale: Seconds = Field(
        DAY,
        description="Seconds for which the keys in memory are accepted while the key store cannot "
        "be read. After them every key is refused with 503, since a gate that cannot read the "
        "store does not hear of revocations.",
    )
    keys: KeyRules = KeyRules()
    issuers: dict[str, Issuer] = Field(
        default_factory=dict,
        json_schema_extra=RELOADED,
        description="Issuers of tokens (JWT), by name.",
    )
