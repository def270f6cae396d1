"""``headgate mlflow rollback``: back to the version and the database before an upgrade."""

from __future__ import annotations

from collections.abc import Sequence

from headgate.deploy.mlflow.beginning import (
    RefusedError,
    admitted,
    begun,
    in_words,
    require_same,
    with_lock,
)
from headgate.deploy.mlflow.endings import rollback_of
from headgate.deploy.mlflow.journal import Journal, Move
from headgate.deploy.mlflow.moving import Moving
from headgate.deploy.mlflow.parked import sentence_of
from headgate.deploy.mlflow.phases import Kind, Step
from headgate.deploy.mlflow.records import Loss, Snapshot
from headgate.deploy.mlflow.site import Limits, Site
from headgate.deploy.mlflow.words import utc
from headgate.deploy.outcome import Outcome


def rollback(site: Site, limits: Limits, discard_since: str = "") -> Outcome:
    """Go back: from an upgrade that is in progress, or from the last one that ended.

    Args:
        site: what to work with.
        limits: how long to wait.
        discard_since: the time of the snapshot, as ``words.utc`` has it: what was written since
            may be lost.

    Raises:
        HeadgateError: nothing was done, for the reason that it says.
    """
    return with_lock(site, lambda journal: _rollback(site, limits, discard_since, journal))


def _rollback(site: Site, limits: Limits, discard_since: str, journal: Journal) -> Outcome:
    move = journal.in_progress
    if move is not None:
        require_same(site, move)
        if move.kind is Kind.ROLLBACK:
            site.say(in_words(move))
            return _moving(site, limits, discard_since, journal, move).run()
        if move.step is Step.UNPARK and not _still_parked(site, move):
            # The upgrade had ended, and only the journal does not say so.
            journal = journal.end(move)
        else:
            site.say(in_words(move))
            moving = _moving(site, limits, discard_since, journal, move)
            return moving.turn_back("the operator asked to go back")
    return _after_the_end(site, limits, discard_since, journal)


def _still_parked(site: Site, move: Move) -> bool:
    return bool(move.park) and site.parking.held(sentence_of(move)) == move.park


def _moving(site: Site, limits: Limits, discard_since: str, journal: Journal, move: Move) -> Moving:
    discard = move.snapshot is not None and discard_since == utc(move.snapshot.at)
    return Moving(site, limits, journal, move, resumed=True, discard=discard)


def _after_the_end(site: Site, limits: Limits, discard_since: str, journal: Journal) -> Outcome:
    last = journal.last
    if last is None or last.snapshot is None:
        raise RefusedError(
            f"there is no upgrade to roll back: the journal in {site.folder.path()} has none that "
            "ended and was not rolled back"
        )
    require_same(site, last)
    with site.phases.phase(Step.CHECK) as phase:
        _check(site, last, last.snapshot)
        losses = site.database.losses(last.snapshot.at)
        phase.note = in_words_of(losses)
        _require_consent(site, last, last.snapshot, losses, discard_since)
    with admitted(site) as credential:
        back = begun(
            site, Kind.ROLLBACK, last.target, last.source, credential, put_back=last.snapshot
        )
    return Moving(site, limits, journal, back).run()


def _check(site: Site, last: Move, taken: Snapshot) -> None:
    current, head = site.host.current(), site.database.head()
    if current.place != last.target.place or head != last.target.head:
        raise RefusedError(
            f"the last upgrade here was to MLflow {last.target.number} (schema "
            f"{last.target.head}), and now MLflow {current.number} is set to run and the schema is "
            f"{head}: somebody has changed it since, so that its snapshot is not the way back"
        )
    if taken.external:
        raise RefusedError(
            f"the snapshot {taken.place} of {utc(taken.at)} was made by you, and is restored by "
            "you: park the upstream (headgate park), stop MLflow, restore it as its vendor "
            f"says, start MLflow {last.source.number}, verify it, and unpark"
        )
    site.database.check(taken)
    found = site.host.find(last.source.place)
    if found.head != last.source.head:
        raise RefusedError(
            f"{last.source.place} has MLflow {found.number} with the schema {found.head} now, not "
            f"{last.source.number} with {last.source.head}"
        )


def _require_consent(
    site: Site, last: Move, taken: Snapshot, losses: Sequence[Loss], discard_since: str
) -> None:
    if discard_since == utc(taken.at):
        return
    lost = in_words_of(losses)
    given = f"--discard-since {discard_since} is not the time of the snapshot. " * bool(
        discard_since
    )
    raise RefusedError(
        f"{given}A rollback to MLflow {last.source.number} restores the database of "
        f"{utc(taken.at)}, and loses what was written since: {lost}. To lose that, run: "
        f"{site.command(rollback_of(last))}"
    )


def in_words_of(losses: Sequence[Loss]) -> str:
    """What would be lost."""
    found = [
        f"{each.count} {each.what} (the newest of {utc(each.newest)})"
        for each in losses
        if each.count
    ]
    return ", ".join(found) or "no run, experiment, model or trace"
