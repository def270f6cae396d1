"""How commands begin: the lock, the journal, the credential and the new entry."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from headgate.deploy.mlflow.errors import ParkingError
from headgate.deploy.mlflow.journal import Journal, Move, read
from headgate.deploy.mlflow.phases import FORWARD, Kind
from headgate.deploy.mlflow.records import Snapshot, Version
from headgate.deploy.mlflow.site import Site
from headgate.deploy.mlflow.words import utc
from headgate.deploy.outcome import ExitCode, Outcome
from headgate.errors import HeadgateError


class RefusedError(HeadgateError):
    """Nothing was done, for the reasons that the message has."""


def with_lock(site: Site, held: Callable[[Journal], Outcome]) -> Outcome:
    """Do something with the journal, unless another command does.

    Raises:
        HeadgateError: nothing was done, for the reason that it says.
    """
    others = site.folder.acquire(site.operator)
    if others is not None:
        return Outcome(
            ExitCode.BUSY, f"nothing was done: {others} is upgrading or rolling back MLflow"
        )
    try:
        return held(journal_of(site))
    finally:
        site.parking.leave()
        site.folder.release()


def journal_of(site: Site) -> Journal:
    """The journal as it is.

    Raises:
        JournalError: it cannot be read.
    """
    return read(site.folder.read(), str(site.folder.path()))


@contextmanager
def admitted(site: Site) -> Iterator[str]:
    """Provide the credential that verifies; it is revoked if the block fails.

    Raises:
        ParkingError: there is none.
    """
    credential = site.parking.admit()
    try:
        yield credential
    except BaseException:  # failed or interrupted, the key must not stay
        try:
            site.parking.dismiss(credential)
        except ParkingError as error:
            site.say(f"the key {credential} could not be revoked: {error}")
        raise


def begun(
    site: Site,
    kind: Kind,
    source: Version,
    target: Version,
    credential: str,
    put_back: Snapshot | None = None,
) -> Move:
    """The entry of the journal for what begins now."""
    return Move(
        id=secrets.token_hex(4),
        kind=kind,
        host=site.host.name(),
        database=site.database.name(),
        gate=site.parking.gate(),
        upstream=site.upstream,
        source=source,
        target=target,
        step=FORWARD[kind][0],
        operator=site.operator,
        started_at=site.clock.now(),
        put_back=put_back,
        credential=credential,
    )


def in_words(move: Move) -> str:
    """What was begun, and where it stands."""
    return (
        f"the {move.kind.value} of MLflow {move.source.number} to {move.target.number}, begun by "
        f"{move.operator} at {utc(move.started_at)}, stopped at '{move.step.value}'"
    )


def require_same(site: Site, move: Move) -> None:
    """See whether the options name what the journal is about.

    Raises:
        RefusedError: they do not.
    """
    for what, named, kept in (
        ("host", site.host.name(), move.host),
        ("database", site.database.name(), move.database),
        ("upstream", site.upstream, move.upstream),
    ):
        if named != kept:
            raise RefusedError(
                f"{in_words(move)}; its {what} is {kept}, and this command names {named}: give the "
                "options that it was begun with"
            )
