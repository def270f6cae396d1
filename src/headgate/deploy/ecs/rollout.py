"""``headgate ecs deploy``: from an image to a service that runs it, or back.

Whatever changes something is written into the journal first.  Until the service moves, a failure
leaves it as it was; from then on, every failure returns it to the good revision.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headgate.deploy.ecs import checks
from headgate.deploy.ecs.errors import PlaneError, PlaneFailure
from headgate.deploy.ecs.journal import Good
from headgate.deploy.ecs.moving import deployment_of, moved
from headgate.deploy.ecs.names import short
from headgate.deploy.ecs.ordering import Facts, Order, Prepare, Prepared
from headgate.deploy.ecs.outcome import SupersededError
from headgate.deploy.ecs.pauses import with_pause
from headgate.deploy.ecs.phases import Step
from headgate.deploy.ecs.records import Deployment, Revision, Service
from headgate.deploy.ecs.rollout_after import Confirmation
from headgate.deploy.ecs.rollout_before import Readiness, Ready
from headgate.deploy.ecs.watching import DeploymentWatch, Site
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


class Rollout:
    """One deployment.

    Args:
        verify: None if nothing is verified.
        verify_test: verifies through the test listener of a blue/green deployment, in a pause
            before production traffic shifts; None for no pause.
    """

    def __init__(
        self,
        site: Site,
        order: Order,
        prepare: Prepare,
        verify: Verify | None,
        verify_test: Verify | None = None,
    ) -> None:
        self._site = site
        self._order = order
        self._prepare = prepare
        self._verify = verify
        self._verify_test = verify_test

    def run(self) -> Outcome:
        """Deploy.

        Raises:
            HeadgateError: nothing was done, for the reason that it says.
        """
        prepared, facts = self._check()
        try:
            with self._site.phases.phase(Step.LOCK):
                self._site.holding.take("deploy")
            return self._held(prepared, facts)
        except BusyError as error:
            return self._outcome(facts, ExitCode.BUSY, f"nothing was done: {error}")
        finally:
            problem = self._site.holding.give_back()
            if problem:
                self._site.say(problem)

    def _check(self) -> tuple[Prepared, Facts]:
        with self._site.phases.phase(Step.CHECK) as phase:
            caller = self._site.plane.caller()
            service = self._site.plane.service()
            self._fits(service)
            prepared = self._prepare(self._order.image)
            phase.note = f"{short(service.revision)} runs; {prepared.image}"
        return prepared, Facts(service, caller.arn, prepared.image)

    def _fits(self, service: Service) -> None:
        """Find out whether what is ordered is possible with this service at all.

        Raises:
            FailedError: it is not.
        """
        if self._verify_test is not None and not checks.shifts_traffic(service):
            raise FailedError(
                "the service replaces its tasks one by one (ROLLING), so that it has no test "
                "traffic: leave out --test-url, or let it deploy blue/green"
            )
        if self._order.watch and not checks.counts_traffic(service):
            raise FailedError(
                "the service is behind no load balancer that counts its requests and 5xx, so that "
                "no traffic can be compared: add --watch 0"
            )
        if not service.desired:
            raise FailedError(
                "the service wants no task (desired count 0), so that nothing would show whether "
                "the image works: raise it first, with aws ecs update-service --desired-count"
            )

    # --- until the service moves ---------------------------------------------------------------

    def _held(self, prepared: Prepared, facts: Facts) -> Outcome:
        try:
            ready = Readiness(self._site, self._order, self._verify).reach(prepared, facts)
        except BusyError as error:
            return self._nothing(facts, ExitCode.BUSY, str(error))
        except SupersededError as error:
            return self._superseded(facts, ExitCode.BUSY, error)
        except KeyboardInterrupt:
            return self._nothing(facts, ExitCode.NOTHING_DONE, ON_REQUEST)
        except Exception as error:  # noqa: BLE001 - supervisor: the journal must not say more than is so
            return self._nothing(facts, ExitCode.NOTHING_DONE, _words(error))
        return self._go(ready, facts)

    def _nothing(self, facts: Facts, code: ExitCode, why: str) -> Outcome:
        advice = "" if facts.revision is None else self._unused(facts.revision)
        if self._site.holding.entry is not None:
            try:
                self._site.holding.end(lambda kept: kept)
            except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - supervisor, as in ``_held``
                self._site.say(
                    "the journal still says that this deployment is in progress, which the next "
                    f"command understands: {_words(error)}"
                )
        return self._outcome(facts, code, f"the service was not changed: {why}", advice)

    def _unused(self, revision: Revision) -> str:
        """Deregister a revision that was never used, or say that it is there."""
        name = short(revision.arn)
        try:
            self._site.plane.deregister(revision.arn)
        except (PlaneError, KeyboardInterrupt):
            return (
                f"{name} was registered and is not used; remove it with: aws ecs "
                f"deregister-task-definition --task-definition {name}"
            )
        return f"{name} was registered, not used, and deregistered"

    # --- the move ------------------------------------------------------------------------------

    def _go(self, ready: Ready, facts: Facts) -> Outcome:
        target = ready.revision.arn
        try:
            watch = DeploymentWatch(self._site, target)
            facts.deployment = deployment = self._move(ready)
        except SupersededError as error:
            return self._superseded(facts, ExitCode.BUSY, error)
        except KeyboardInterrupt:
            return self._unclear(ready, facts, ON_REQUEST)
        except Exception as error:  # noqa: BLE001 - supervisor: the service must not stay half moved
            return self._unclear(ready, facts, _words(error))
        return self._follow(ready, facts, watch, deployment)

    def _follow(
        self, ready: Ready, facts: Facts, watch: DeploymentWatch, deployment: Deployment
    ) -> Outcome:
        try:
            Confirmation(
                self._site, self._order, watch, ready.before, self._verify, self._verify_test
            ).reach(deployment, ready.revision.arn, facts)
        except SupersededError as error:
            return self._superseded(facts, ExitCode.ROLLED_BACK, error)
        except KeyboardInterrupt:
            return self._back(ready, facts, FailedError(ON_REQUEST))
        except FailedError as error:
            return self._back(ready, facts, error)
        except Exception as error:  # noqa: BLE001 - supervisor: the service must not stay half moved
            return self._back(ready, facts, FailedError(_words(error)))
        return self._accept(ready, facts)

    def _move(self, ready: Ready) -> Deployment:
        configuration = None
        if self._verify_test is not None:
            configuration = with_pause(ready.service.document.get("deploymentConfiguration"))
        with self._site.phases.phase(Step.UPDATE) as phase:
            self._site.holding.note(Step.UPDATE)
            deployment = self._update(ready.revision.arn, configuration)
            phase.note = short(deployment.arn)
        return deployment

    def _update(self, revision: str, configuration: Mapping[str, Any] | None) -> Deployment:
        try:
            return moved(self._site, revision, configuration)
        except PlaneError as error:
            if configuration is None or error.failure not in _NO_PAUSE:
                raise
            raise PlaneError(
                error.failure,
                f"{error}. The pause for --test-url needs a boto3 that knows PAUSE hooks (python "
                "-m pip install --upgrade boto3); else deploy without --test-url",
            ) from None

    def _unclear(self, ready: Ready, facts: Facts, why: str) -> Outcome:
        """The update failed, or was broken off: look whether the service moves all the same."""
        target = ready.revision.arn
        try:
            facts.deployment = deployment_of(self._site, target)
            still = facts.deployment is None and self._site.plane.service().revision != target
        except (Exception, KeyboardInterrupt):  # noqa: BLE001 - supervisor, as in ``_go``
            still = False  # not known: the way back looks again, and says so if it cannot
        if still:
            return self._nothing(facts, ExitCode.NOTHING_DONE, why)
        return self._back(ready, facts, FailedError(why))

    # --- the end -------------------------------------------------------------------------------

    def _accept(self, ready: Ready, facts: Facts) -> Outcome:
        arn, image = ready.revision.arn, ready.prepared.image
        good = Good(arn, image, ready.prepared.template, self._site.clock.now())
        try:
            with self._site.phases.phase(Step.ACCEPT):
                self._site.holding.end(lambda kept: kept.with_good(good))
        except SupersededError as error:
            return self._superseded(facts, ExitCode.ROLLED_BACK, error)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - supervisor: says where things stand
            return self._outcome(
                facts,
                ExitCode.FAILED,
                f"{short(arn)} runs and passed every check, but the journal or the tags do not say "
                f"so ({_words(error)})",
                "run the same command again, which verifies what runs and goes on; headgate ecs "
                f"rollback returns to {short(ready.good.revision)}",
            )
        return self._outcome(facts, ExitCode.DONE, f"every task runs {short(arn)}: {image}")

    def _superseded(self, facts: Facts, code: ExitCode, error: SupersededError) -> Outcome:
        return self._outcome(
            facts, code, str(error), "this command changed nothing more; see: headgate ecs status"
        )

    def _back(self, ready: Ready, facts: Facts, error: FailedError) -> Outcome:
        good = ready.good
        self._site.say(f"returning to {short(good.revision)}: {error}")
        try:
            WayBack(self._site, self._order.timeout, self._verify).to(good.revision)
            self._site.holding.end(lambda kept: kept.returned_to(good))
        except SupersededError as superseded:
            return self._superseded(facts, ExitCode.ROLLED_BACK, superseded)
        except KeyboardInterrupt:
            return self._stranded(good, facts, error, FailedError(ON_REQUEST))
        except Exception as problem:  # noqa: BLE001 - supervisor: says where things stand
            return self._stranded(good, facts, error, problem)
        code = ExitCode.TIMED_OUT if isinstance(error, TimedOutError) else ExitCode.ROLLED_BACK
        return self._outcome(
            facts, code, f"{error}. Every task runs {short(good.revision)} again, as before"
        )

    def _stranded(
        self, good: Good, facts: Facts, error: FailedError, problem: Exception
    ) -> Outcome:
        code = ExitCode.TIMED_OUT if isinstance(problem, TimedOutError) else ExitCode.FAILED
        return self._outcome(
            facts,
            code,
            f"{error}. The way back to {short(good.revision)} failed as well: {problem}",
            f"the journal says that {short(good.revision)} is the revision to return to: when the "
            "cause is removed, run: headgate ecs rollback",
        )

    def _outcome(self, facts: Facts, code: ExitCode, summary: str, advice: str = "") -> Outcome:
        return Outcome(code, summary, advice, tuple(self._site.phases.ended), facts.document())


def _words(error: BaseException) -> str:
    """What went wrong; of a defect its kind, too."""
    if isinstance(error, KeyboardInterrupt):
        return ON_REQUEST
    if isinstance(error, HeadgateError):
        return str(error)
    return f"a defect of this command ({type(error).__name__}: {error})"


_NO_PAUSE = frozenset({PlaneFailure.UNSUPPORTED, PlaneFailure.INVALID})
