"""What PostgreSQL and psycopg report, in words: whose fault it is, and what to do."""

from __future__ import annotations

from typing import Final

import psycopg

from headgate.errors import HeadgateError
from headgate.stores.identity import StoreUnreachableError
from headgate.stores.sql.postgresql.url import Target

PLACE: Final = "@place@"
"""Stands in the words below for where the URL is."""
UPGRADE: Final = "make it with 'headgate db upgrade'"

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_BY_STATE: Final = {
    "25006": (
        "cannot be written: it is read-only (a standby, or default_transaction_read_only); name "
        f"the primary server in the URL of {PLACE}"
    ),
    "28000": "refuses this user: look at pg_hba.conf and at the user's name in the URL",
    "28P01": f"refuses the password: correct the URL in {PLACE}",
    "3D000": "does not exist on that server: create the database, or correct the URL",
    "3F000": f"has no key store yet; {UPGRADE}",
    "42P01": f"has no key store yet, or not a whole one; {UPGRADE}",
    "42703": "has an older schema; upgrade it with 'headgate db upgrade'",
    "42501": (
        "does not permit this: grant the user of the URL what "
        "docs/how-to/share-keys-between-gates.md lists"
    ),
    "53100": "cannot be written: the disk of its server is full; free some space there",
    "22021": "has an encoding other than UTF8, which it needs; create it with ENCODING 'UTF8'",
    "22P05": "has an encoding other than UTF8, which it needs; create it with ENCODING 'UTF8'",
}
_UNREACHABLE_BY_STATE: Final = {
    "53200": "has no memory left on its server",
    "53300": "accepts no more connections: raise max_connections, or put PgBouncer in front",
    "55P03": "is locked by another change that does not end; try again",
    "57014": "took too long, so that its server cancelled the statement; try again",
    "57P01": "is being stopped by its administrator",
    "57P02": "has crashed, and is starting again",
    "57P03": "is starting or stopping",
    "25P03": "took too long: its server ended the transaction; try again",
    "40001": "was changed by another program meanwhile; try again",
    "40P01": "was changed by another program meanwhile; try again",
}
# A connection that fails has no state, only libpq's text (its own is English, whatever the locale).
_BY_TEXT: Final = {
    "password authentication failed": _BY_STATE["28P01"],
    "no password supplied": f"wants a password, and the URL in {PLACE} has none",
    "no pg_hba.conf entry": _BY_STATE["28000"],
    "does not match host name": (
        "has a certificate for another name (sslmode=verify-full): name the host in the URL as its "
        "certificate does"
    ),
    "certificate verify failed": (
        "has a certificate of an authority that is not trusted: set sslrootcert in the URL to the "
        "file with the authority that issued it"
    ),
    "root certificate": "is not connected to: the file that sslrootcert names cannot be read",
    "does not support SSL": (
        "offers no TLS, and sslmode asks for it: turn TLS on at its server, or, if the network "
        "between is trusted, set sslmode=disable in the URL"
    ),
    'role "': _BY_STATE["28000"],
    'database "': _BY_STATE["3D000"],
}
_UNREACHABLE_BY_TEXT: Final = {
    "Connection refused": "cannot be reached: nothing listens there, its server is down",
    "failed to resolve host": "cannot be reached: its host name has no address",
    "could not translate host name": "cannot be reached: its host name has no address",
    "timeout": "cannot be reached: its server does not respond",
    "the database system is": "is starting or stopping",
    "too many": _UNREACHABLE_BY_STATE["53300"],
    "remaining connection slots": _UNREACHABLE_BY_STATE["53300"],
    "No such file or directory": "cannot be reached: its server is down, there is no socket",
    "closed the connection": "has closed the connection: its server has stopped or was restarted",
}


def explained(error: psycopg.Error, target: Target) -> HeadgateError:
    """The error of a statement or of a connection, in one sentence without any secret."""
    kind, words = _judged(error)
    if words is None:
        words = ("failed: " if error.sqlstate else "cannot be reached: ") + _safe(error, target)
    words = words.replace(PLACE, target.source.place)
    return kind(f"the key store {target.location} {words}")


def busy(target: Target) -> HeadgateError:
    """All connections of this process are in use."""
    return StoreUnreachableError(
        f"the key store {target.location} is slow: all connections that this gate makes are in use"
    )


def _judged(error: psycopg.Error) -> tuple[type[HeadgateError], str | None]:
    """Whether it may pass by itself, and the words for it if it is known."""
    if error.sqlstate in _UNREACHABLE_BY_STATE:
        return StoreUnreachableError, _UNREACHABLE_BY_STATE[error.sqlstate]
    if error.sqlstate in _BY_STATE:
        return HeadgateError, _BY_STATE[error.sqlstate]
    if not isinstance(error, psycopg.OperationalError):
        return HeadgateError, None
    if error.sqlstate is None:
        text = str(error)
        for part, words in _UNREACHABLE_BY_TEXT.items():
            if part in text:
                return StoreUnreachableError, words
        for part, words in _BY_TEXT.items():
            if part in text:
                return HeadgateError, words
    return StoreUnreachableError, None


def hung(target: Target, seconds: float) -> HeadgateError:
    """It was waited for long enough."""
    return StoreUnreachableError(
        f"the key store {target.location} has not responded for {seconds:.0f} s: its server hangs, "
        "or the network between drops what is sent"
    )


def _safe(error: psycopg.Error, target: Target) -> str:
    """The first line, without the password and without what cannot be printed."""
    line = str(error).strip().partition("\n")[0]
    for name in ("password", "sslpassword"):
        if secret := target.parameters.get(name):
            line = line.replace(secret, "...")
    return "".join(each if each.isprintable() else "?" for each in line)[:300]
