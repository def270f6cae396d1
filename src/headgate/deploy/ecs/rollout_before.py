"""The first half of a deployment: everything until the service moves."""

from __future__ import annotations

from dataclasses import dataclass

from headgate.deploy.ecs import checks, traffic
from headgate.deploy.ecs.holding import LONG_LEASE
from headgate.deploy.ecs.journal import Good, Journal
from headgate.deploy.ecs.names import TEMPLATE_TAG, short
from headgate.deploy.ecs.ordering import Facts, Order, Prepared
from headgate.deploy.ecs.phases import Step
from headgate.deploy.ecs.records import Revision, Service, Traffic
from headgate.deploy.ecs.upgrading import upgrade_store
from headgate.deploy.ecs.watching import BEFORE, Site
from headgate.deploy.outcome import BusyError, FailedError, Verify


@dataclass(frozen=True, slots=True)
class Ready:
    """Everything that the move needs.

    Attributes:
        good: what to return to.
        before: the traffic before; None if it is not watched.
    """

    service: Service
    prepared: Prepared
    good: Good
    revision: Revision
    before: Traffic | None


class Readiness:
    """Brings a deployment to where the service can move; nothing moves yet."""

    def __init__(self, site: Site, order: Order, verify: Verify | None) -> None:
        self._site = site
        self._order = order
        self._verify = verify

    def reach(self, prepared: Prepared, facts: Facts) -> Ready:
        """Journal, register, upgrade, measure; ``facts`` gets what is found on the way.

        Raises:
            BusyError: another deployment is in progress.
            HeadgateError: the deployment must not go on.
        """
        service, good = self._good_first(facts)
        revision = self._register(prepared, facts)
        if self._order.upgrade:
            with self._site.phases.phase(Step.MIGRATE) as phase:
                self._site.holding.note(Step.MIGRATE)
                phase.note = upgrade_store(self._site, revision.arn)
        before = self._traffic()
        facts.before = before
        return Ready(service, prepared, good, revision, before)

    def _good_first(self, facts: Facts) -> tuple[Service, Good]:
        """Write the revision that runs now into the journal, as the one to return to."""
        running = checks.in_progress(self._site.plane.deployments())
        if running is not None:
            raise BusyError(
                f"the deployment of {short(running.target)} is in progress ({running.state.value}):"
                " wait for its end, or end it with: headgate ecs rollback"
            )
        with self._site.phases.phase(Step.VERIFY_BEFORE) as phase:
            # Read with the lock: another operator may have deployed since the first look.
            facts.service = service = self._site.plane.service()
            found = self._site.holding.journal()
            phase.note = self._accepted(service, found)
            good = self._good(service.revision, found)
            self._site.holding.begin("deploy", lambda kept: kept.with_good(good))
            facts.good = good
        return service, good

    def _accepted(self, service: Service, found: Journal) -> str:
        """Why what runs now may be returned to, in words."""
        current = short(service.revision)
        if self._order.accept_current:
            return f"{current}, accepted with --accept-current"
        problem = checks.unsteady(service, self._site.plane.tasks())
        if problem:
            raise FailedError(
                f"the service is not steady: {problem}; wait until it is, or take what runs as "
                "the revision to return to with --accept-current"
            )
        if self._verify is not None:
            self._site.holding.renew(LONG_LEASE)
            verified = self._verify()
            if verified.passed:
                return f"{current}: {verified.summary}"
            raise FailedError(
                f"{current}, which runs now, does not pass verification: {verified.summary} "
                f"{_cure(found, service.revision)}"
            )
        if found.in_progress is None and found.good is None:
            return f"{current} runs steadily; nothing was verified"
        if found.is_good(service.revision):
            return f"{current}, good in the journal"
        raise FailedError(
            f"nothing says that {current}, which runs now, is good. "
            f"{_cure(found, service.revision)}"
        )

    def _good(self, arn: str, found: Journal) -> Good:
        if found.good is not None and found.good.revision == arn:
            return found.good
        revision = self._site.plane.revision(arn)
        container = self._site.target.container
        try:
            image = str(revision.container(container).get("image", ""))
        except KeyError:
            raise FailedError(
                f"{short(arn)} has no container {container!r}: name the gate's with --container"
            ) from None
        return Good(arn, image, revision.tags.get(TEMPLATE_TAG, ""), self._site.clock.now())

    def _register(self, prepared: Prepared, facts: Facts) -> Revision:
        with self._site.phases.phase(Step.REGISTER) as phase:
            self._site.holding.note(Step.REGISTER)
            facts.revision = revision = self._site.plane.register(prepared.document, prepared.tags)
            self._site.holding.note(Step.REGISTER, revision=revision.arn)
            phase.note = f"{short(revision.arn)}, a copy of {short(prepared.template)}"
        return revision

    def _traffic(self) -> Traffic | None:
        if not self._order.watch:
            return None
        with self._site.phases.phase(Step.TRAFFIC_BEFORE) as phase:
            now = self._site.clock.now()
            before = self._site.plane.traffic(now - BEFORE, now)
            phase.note = traffic.in_words(before)
        return before


def _cure(found: Journal, current: str) -> str:
    accept = "take it as the revision to return to with --accept-current"
    if found.good is not None and found.good.revision != current:
        return f"Return to {short(found.good.revision)} with: headgate ecs rollback; or {accept}"
    return f"If it is to be replaced all the same, {accept}"
