"""The metrics of authentication, keys and tokens."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from headgate.reasons import Reason
from headgate.telemetry.metrics.metric import NONE, Kind, Label, Metric, Over

ACCEPTED: Final = "accepted"
REFUSED: Final = "refused"
THROTTLED: Final = "throttled"
UNAVAILABLE: Final = "unavailable"

AUTHENTICATIONS: Final = Metric(
    "headgate_authentications_total",
    Kind.COUNTER,
    "{request}",
    "Requests that had to be authenticated, by what they showed (`none`: nothing) and how it "
    "ended (`unavailable`: the gate could not check it).",
    (
        Label("authenticator", ("key", "token", NONE)),
        Label("outcome", (ACCEPTED, REFUSED, THROTTLED, UNAVAILABLE)),
    ),
)
REFUSED_AUTHENTICATIONS: Final[Mapping[Reason, tuple[str, str]]] = MappingProxyType(
    {
        Reason.UNAUTHENTICATED: (NONE, REFUSED),
        Reason.AUTH_THROTTLED: (NONE, THROTTLED),
        Reason.KEYS_STALE: ("key", UNAVAILABLE),
        Reason.ISSUER_UNAVAILABLE: ("token", UNAVAILABLE),
        Reason.PRINCIPAL_DISABLED: ("key", REFUSED),
        **{each: ("key", REFUSED) for each in Reason if each.value.startswith("key_")},
        **{each: ("token", REFUSED) for each in Reason if each.value.startswith("token_")},
    }
)
"""How an authentication ended that was refused for a reason; other reasons are of no such."""
KEYS_AGE: Final = Metric(
    "headgate_keys_age_seconds",
    Kind.GAUGE,
    "s",
    "Seconds since the keys in memory were compared with the key store, of the worker with the "
    "oldest ones; alarm from 60 s.",
    over=Over.MAX,
)
KEYS_EXPIRING: Final = Metric(
    "headgate_keys_expiring",
    Kind.GAUGE,
    "{key}",
    "Keys that expire within `auth.keys.notice`.",
    over=Over.MAX,
)
KEY_EXPIRY: Final = Metric(
    "headgate_key_expiry_seconds",
    Kind.GAUGE,
    "s",
    "Seconds until the first key expires.",
    over=Over.MIN,
)
ISSUER_KEYS_AGE: Final = Metric(
    "headgate_issuer_keys_age_seconds",
    Kind.GAUGE,
    "s",
    "Seconds since the signing keys of an issuer of tokens were fetched, of the issuer and the "
    "worker with the oldest ones; alarm from twice `refresh_interval`.",
    over=Over.MAX,
)
BREAK_GLASS_USES: Final = Metric(
    "headgate_break_glass_uses_total",
    Kind.COUNTER,
    "{use}",
    "Uses of keys for emergencies, as the event log has them: the first in each hour, per worker.",
)

IDENTITY_METRICS: Final = (
    AUTHENTICATIONS,
    KEYS_AGE,
    KEYS_EXPIRING,
    KEY_EXPIRY,
    ISSUER_KEYS_AGE,
    BREAK_GLASS_USES,
)
