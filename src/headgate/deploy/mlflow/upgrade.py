"""``headgate mlflow upgrade``: to another version, or on where a command before stopped."""

from __future__ import annotations

from dataclasses import dataclass

from headgate.deploy.mlflow.beginning import (
    RefusedError,
    admitted,
    begun,
    in_words,
    require_same,
    with_lock,
)
from headgate.deploy.mlflow.journal import Journal
from headgate.deploy.mlflow.moving import Moving
from headgate.deploy.mlflow.phases import Kind, Step
from headgate.deploy.mlflow.plan import Planning
from headgate.deploy.mlflow.site import AskForSnapshot, Limits, Site
from headgate.deploy.outcome import ExitCode, Outcome


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the operator asks for.

    Attributes:
        version: by its number or its place.
        ask: for a snapshot that the operator makes; None: it is made here.
        verify_before: whether what runs now is verified before anything is done.
    """

    version: str
    ask: AskForSnapshot | None = None
    verify_before: bool = True


def upgrade(site: Site, limits: Limits, wanted: Wanted) -> Outcome:
    """Upgrade.

    Raises:
        HeadgateError: nothing was done, for the reason that it says.
    """
    return with_lock(site, lambda journal: _upgrade(site, limits, wanted, journal))


def go_on(site: Site, limits: Limits, ask: AskForSnapshot | None = None) -> Outcome:
    """Go on with the upgrade or rollback that a command before has begun.

    Raises:
        HeadgateError: nothing was done, for the reason that it says.
    """

    def held(journal: Journal) -> Outcome:
        move = journal.in_progress
        if move is None:
            raise RefusedError(f"nothing is in progress in {site.folder.path()}")
        require_same(site, move)
        site.say(in_words(move))
        return Moving(site, limits, journal, move, ask=ask, resumed=True).run()

    return with_lock(site, held)


def _upgrade(site: Site, limits: Limits, wanted: Wanted, journal: Journal) -> Outcome:
    if journal.in_progress is not None:
        raise RefusedError(
            f"{in_words(journal.in_progress)}; go on with: {site.command('upgrade --continue')}; "
            f"or return with: {site.command('rollback')}"
        )
    with site.phases.phase(Step.CHECK) as phase:
        external = wanted.ask is not None
        plan = Planning(site, limits, external=external).plan(wanted.version, journal)
        if plan.target is None or plan.problems:
            raise RefusedError("; ".join(plan.all_problems))
        if plan.busy:
            return Outcome(ExitCode.BUSY, f"nothing was done: {plan.busy}")
        phase.note = f"MLflow {plan.source.number} to {plan.target.number}"
    with admitted(site) as credential:
        if wanted.verify_before:
            _verify_before(site)
        move = begun(site, Kind.UPGRADE, plan.source, plan.target, credential)
    return Moving(site, limits, journal, move, ask=wanted.ask).run()


def _verify_before(site: Site) -> None:
    with site.phases.phase(Step.VERIFY_BEFORE) as phase:
        found = site.verify()
        phase.note = found.summary
        if not found.passed:
            raise RefusedError(
                f"what runs now does not pass verification, so that a failure could not be told "
                f"from one of the new version: {found.summary}"
            )
