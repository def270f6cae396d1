"""``headgate ecs rollback``: to the good revision, whatever goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headgate.deploy.ecs import checks
from headgate.deploy.ecs.errors import PlaneError, PlaneFailure
from headgate.deploy.ecs.journal import Good, Journal
from headgate.deploy.ecs.names import short
from headgate.deploy.ecs.outcome import SupersededError
from headgate.deploy.ecs.phases import Step
from headgate.deploy.ecs.records import Deployment, DeploymentState, Revision, Service
from headgate.deploy.ecs.watching import Site
from headgate.deploy.ecs.way_back import WayBack
from headgate.deploy.outcome import (
    ON_REQUEST,
    BusyError,
    ExitCode,
    FailedError,
    Outcome,
    TimedOutError,
    Verify,
)
from headgate.errors import HeadgateError


class NothingToReturnToError(HeadgateError):
    """There is no revision to return to; the message says what could be."""


@dataclass(frozen=True, slots=True)
class _Choice:
    """Where to, and from where."""

    revision: Revision
    service: Service
    operator: str
    journal: Journal
    running: Deployment | None


class Rollback:
    """One rollback.

    ``to`` is an ARN or ``family:number``, or empty for the good revision of the journal;
    ``timeout`` is in seconds.
    """

    def __init__(self, site: Site, to: str, timeout: float, verify: Verify | None) -> None:
        self._site = site
        self._to = to
        self._timeout = timeout
        self._verify = verify

    def run(self) -> Outcome:
        """Roll back.

        Raises:
            HeadgateError: nothing was done, for the reason that it says.
        """
        with self._site.phases.phase(Step.CHECK) as phase:
            choice = self._choose()
            phase.note = f"{short(choice.service.revision)} to {short(choice.revision.arn)}"
        try:
            with self._site.phases.phase(Step.LOCK) as phase:
                former = self._site.holding.take_over("rollback")
                phase.note = f"taken over from {former}" if former else ""
            return self._held(choice)
        except BusyError as error:
            return self._outcome(choice, ExitCode.BUSY, f"nothing was done: {error}")
        finally:
            problem = self._site.holding.give_back()
            if problem:
                self._site.say(problem)

    # --- where to ------------------------------------------------------------------------------

    def _choose(self) -> _Choice:
        plane = self._site.plane
        caller, service = plane.caller(), plane.service()
        deployments = plane.deployments()
        running = checks.in_progress(deployments)
        found = self._journal()
        wanted = self._to or self._good(found, service, running, deployments)
        try:
            revision = plane.revision(wanted)
        except PlaneError as error:
            if error.failure not in {PlaneFailure.NOT_FOUND, PlaneFailure.INVALID}:
                raise
            raise NothingToReturnToError(
                f"{error}. {self._others(found, deployments, wanted)}"
            ) from None
        if not revision.active:
            raise NothingToReturnToError(
                f"{short(revision.arn)} is {revision.document.get('status', 'not ACTIVE')}: it was "
                f"deregistered, and ECS starts no deployment of it. "
                f"{self._others(found, deployments, revision.arn)}"
            )
        self._image_is_there(revision, found, deployments)
        return _Choice(revision, service, caller.arn, found, running)

    def _journal(self) -> Journal:
        """The journal; with ``--to`` an unreadable one does not matter."""
        try:
            return self._site.holding.journal()
        except PlaneError:
            raise
        except HeadgateError as error:
            if not self._to:
                raise
            self._site.say(f"nothing is written into the journal: {error}")
            self._site.holding.leave_journal()
            return Journal()

    def _good(
        self,
        found: Journal,
        service: Service,
        running: Deployment | None,
        deployments: Sequence[Deployment],
    ) -> str:
        if found.good is None:
            if running is not None and len(running.source) == 1:
                return running.source[0]
            raise NothingToReturnToError(
                "no journal says which revision of this service is good: the first headgate ecs "
                f"deploy writes it. {self._others(found, deployments, service.revision)}"
            )
        begun = found.in_progress
        if begun is not None and begun.kind == "rollback" and begun.revision:
            return begun.revision  # one that did not end is gone on with
        moving = running is not None or begun is not None
        if moving or found.good.revision != service.revision:
            return found.good.revision
        if found.returned:
            raise NothingToReturnToError(
                f"the service runs {short(service.revision)}, to which it was rolled back already. "
                f"{self._others(found, deployments, service.revision)}"
            )
        if found.history:
            return found.history[0].revision
        raise NothingToReturnToError(
            f"{short(service.revision)} runs, and the journal knows no good revision before it. "
            f"{self._others(found, deployments, service.revision)}"
        )

    def _image_is_there(
        self, revision: Revision, found: Journal, deployments: Sequence[Deployment]
    ) -> None:
        try:
            image = str(revision.container(self._site.target.container).get("image", ""))
        except KeyError:
            return
        if self._site.plane.image_exists(image) is False:
            raise NothingToReturnToError(
                f"ECR no longer has {image}, which {short(revision.arn)} needs: push it again. "
                f"{self._others(found, deployments, revision.arn)}"
            )

    def _others(self, found: Journal, deployments: Sequence[Deployment], but: str) -> str:
        """Which other revisions could be named with ``--to``."""
        goods = [] if found.good is None else [found.good.revision]
        goods += [each.revision for each in found.history]
        goods += [each.target for each in deployments if each.state is DeploymentState.SUCCESSFUL]
        usable = [
            short(each) for each in dict.fromkeys(goods) if each != but and self._usable(each)
        ]
        if not usable:
            return "No other revision is known that once ran: deploy an image instead"
        return f"These ran before and can be named with --to: {', '.join(usable[:5])}"

    def _usable(self, arn: str) -> bool:
        try:
            return self._site.plane.revision(arn).active
        except PlaneError:
            return False

    # --- the way -------------------------------------------------------------------------------

    def _held(self, choice: _Choice) -> Outcome:
        target = choice.revision.arn
        try:
            self._site.holding.begin("rollback", lambda kept: kept, target)
            WayBack(self._site, self._timeout, self._verify).to(target)
            with self._site.phases.phase(Step.ACCEPT):
                good = self._as_good(choice)
                self._site.holding.end(lambda kept: kept.returned_to(good))
        except SupersededError as error:
            return self._outcome(choice, ExitCode.FAILED, f"{error}", "see: headgate ecs status")
        except KeyboardInterrupt:
            return self._stranded(choice, FailedError(ON_REQUEST))
        except Exception as error:  # noqa: BLE001 - supervisor: says where things stand
            return self._stranded(choice, error)
        summary = f"every task runs {short(target)}"
        return self._outcome(choice, ExitCode.DONE, summary)

    def _as_good(self, choice: _Choice) -> Good:
        arn = choice.revision.arn
        known = [choice.journal.good, *choice.journal.history]
        for each in known:
            if each is not None and each.revision == arn:
                return each
        try:
            image = str(choice.revision.container(self._site.target.container).get("image", ""))
        except KeyError:
            image = ""
        template = choice.revision.tags.get("headgate:template", "")
        return Good(arn, image, template, self._site.clock.now())

    def _stranded(self, choice: _Choice, error: Exception) -> Outcome:
        code = ExitCode.TIMED_OUT if isinstance(error, TimedOutError) else ExitCode.FAILED
        target = short(choice.revision.arn)
        return self._outcome(
            choice,
            code,
            f"the service is not safely back at {target}: {error or type(error).__name__}",
            "the journal still names the revision to return to; when the cause is removed, run the "
            "command again; or name another with: headgate ecs rollback --to FAMILY:NUMBER",
        )

    def _outcome(self, choice: _Choice, code: ExitCode, summary: str, advice: str = "") -> Outcome:
        facts: dict[str, Any] = {
            "operator": choice.operator,
            "from": choice.service.revision,
            "revision": choice.revision.arn,
            "stopped": choice.running.arn if choice.running else "",
        }
        return Outcome(code, summary, advice, tuple(self._site.phases.ended), facts)
