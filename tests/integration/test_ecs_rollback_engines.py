"""The engines of ``headgate ecs`` against the stand-in for ECS, through boto3, in its time."""

from __future__ import annotations

import itertools
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import pytest

from headgate.deploy.ecs import drill, report
from headgate.deploy.ecs.aws.plane import AwsPlane, connect
from headgate.deploy.ecs.drill import Drill
from headgate.deploy.ecs.faults import Fault, injecting
from headgate.deploy.ecs.holding import Holding
from headgate.deploy.ecs.journal import read
from headgate.deploy.ecs.names import short
from headgate.deploy.ecs.ordering import Order
from headgate.deploy.ecs.phases import Step
from headgate.deploy.ecs.preparing import preparing, unchanged
from headgate.deploy.ecs.records import Target
from headgate.deploy.ecs.rollback import NothingToReturnToError, Rollback
from headgate.deploy.ecs.rollout import Rollout
from headgate.deploy.ecs.watching import Site
from headgate.deploy.outcome import ExitCode, Outcome, Verification
from headgate.deploy.phases import Phase, Phases, Source
from headgate.testing.ecs import FakePlane
from tests.support.ecs_service import CLUSTER, DIGEST, small_plane, small_service

pytestmark = pytest.mark.first  # takes more than a minute, most of it waiting


@dataclass
class Notes:
    """A reporter that remembers."""

    lines: list[str] = field(default_factory=list)

    def begun(self, step: StrEnum) -> None:
        """See ``Reporter``."""

    def ended(self, phase: Phase) -> None:
        """See ``Reporter``."""

    def status(self, text: str) -> None:
        """See ``Reporter``."""

    def news(self, source: Source, text: str) -> None:
        """See ``Reporter``."""
        self.lines.append(f"{source.value}: {text}")


class Operator:
    """Gives the commands, in the time of the stand-in."""

    def __init__(self, fake: FakePlane, service: str) -> None:
        self.fake = fake
        self.target = Target(CLUSTER, service)
        self.plane: AwsPlane = connect(self.target, None, fake.clock)
        self.notes = Notes()
        self._nonces = itertools.count()

    def site(self) -> Site:
        """What a command works with."""
        clock, self.notes = self.fake.clock, Notes()
        arn = self.plane.caller().arn
        holding = Holding(self.plane, clock, self.target, arn, "here", f"n{next(self._nonces)}")
        return Site(self.target, self.plane, clock, self.notes, holding, Phases(clock, self.notes))

    def verify(self) -> Verification:
        """Asks the service through its load balancer."""
        try:
            with urllib.request.urlopen(self.fake.balancer.url(), timeout=20) as response:  # noqa: S310 - of this test
                said = response.read().decode()
        except urllib.error.URLError as error:
            said = str(error)
        return Verification(said == "good", f"the service says {said!r}")

    def deploy(self, name: str, fault: Fault | None = None) -> Outcome:
        """``headgate ecs deploy``."""
        change = unchanged if fault is None else injecting(fault, 1024)
        prepare = preparing(self.plane, self.target, "operator", change)
        order = Order(f"{name}{DIGEST}", watch=0.0, timeout=900.0)
        return Rollout(self.site(), order, prepare, self.verify).run()

    def rollback(self, to: str = "") -> Outcome:
        """``headgate ecs rollback``."""
        return Rollback(self.site(), to, 900.0, self.verify).run()

    def running(self) -> set[str]:
        """The number of the revision of the tasks."""
        return {short(each.revision).partition(":")[2] for each in self.plane.tasks()}

    def good(self) -> str:
        """The number of the journal's good revision."""
        found = read(self.plane.journal(), "journal")
        assert found.in_progress is None
        return "" if found.good is None else short(found.good.revision).partition(":")[2]


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakePlane]:
    with small_plane(tmp_path_factory.mktemp("ecs")) as plane, plane.patched_environment():
        yield plane


@pytest.fixture
def operator(fake: FakePlane, request: pytest.FixtureRequest) -> Operator:
    """An operator of a service of the test's own."""
    name = f"s{request.node.name[-20:].replace('_', '-')}"
    small_service(fake, name)
    return Operator(fake, name)


def seconds(outcome: Outcome, step: StrEnum) -> float:
    return sum(each.seconds for each in outcome.phases if each.step is step)


def test_deploy_and_rollback(operator: Operator) -> None:
    outcome = operator.deploy("headgate")
    assert outcome.code is ExitCode.DONE, outcome
    assert operator.running() == {"2"}
    assert operator.good() == "2"
    assert operator.plane.service().tags["headgate:good"].endswith(":2")
    assert "headgate:deploying" not in operator.plane.service().tags
    assert operator.plane.lock() is None

    back = operator.rollback()
    assert back.code is ExitCode.DONE, back
    assert operator.running() == {"1"}
    assert seconds(back, Step.RETURNED) > 45, "a task takes 45 s to start"
    assert back.seconds < 120
    with pytest.raises(NothingToReturnToError, match="rolled back already"):
        operator.rollback()


def test_an_image_that_crashes_is_rolled_back_by_ecs(operator: Operator) -> None:
    outcome = operator.deploy("headgate-crashes")
    # Its upgrade of the store fails first, as it would on AWS: nothing moves.
    assert outcome.code is ExitCode.NOTHING_DONE
    outcome = operator.deploy("headgate", Fault.CRASH)
    assert outcome.code is ExitCode.ROLLED_BACK, outcome
    assert "circuit breaker" in outcome.summary
    assert any(each.startswith("task: ") for each in operator.notes.lines)
    assert operator.running() == {"1"}
    assert operator.good() == "1"


def test_an_image_that_does_not_pass_verification_is_rolled_back(operator: Operator) -> None:
    outcome = operator.deploy("headgate-unfit")
    assert outcome.code is ExitCode.ROLLED_BACK, outcome
    assert "does not pass verification" in outcome.summary
    assert operator.running() == {"1"}
    way_back = sum(
        each.seconds for each in outcome.phases if each.step.value.startswith("rollback")
    )
    assert way_back < 120, outcome.phases


def test_a_failed_upgrade_of_the_store_moves_nothing(operator: Operator) -> None:
    outcome = operator.deploy("headgate-unready")
    assert outcome.code is ExitCode.NOTHING_DONE, outcome
    assert "exited with 7" in outcome.summary
    assert operator.running() == {"1"}
    with pytest.raises(NothingToReturnToError, match=":2 is INACTIVE"):
        operator.rollback(f"{operator.target.service}:2")


def test_a_deployment_in_progress_is_stopped(operator: Operator) -> None:
    assert operator.deploy("headgate").code is ExitCode.DONE
    template = operator.plane.template()
    operator.plane.update(template.arn)
    operator.fake.clock.sleep(10)
    outcome = operator.rollback()
    assert outcome.code is ExitCode.DONE, outcome
    assert operator.running() == {"2"}
    assert seconds(outcome, Step.STOP) > 0


def test_a_drill_writes_its_report(operator: Operator) -> None:
    service = operator.plane.service()
    played = Drill(lambda fault: operator.deploy("headgate", fault), operator.rollback, None)
    found = played.perform(service, drill.guarded(service, anywhere=False), Fault.CRASH)
    assert found.code is ExitCode.DONE, found.problem
    assert operator.running() == {"1"}
    where = report.Circumstances(
        operator.fake.clock.now(),
        CLUSTER,
        operator.target.service,
        "eu-central-1",
        "operator",
        "headgate",
        operator.plane.endpoint(),
        "",
        {},
    )
    text = report.markdown(where, found)
    assert "not run on real AWS" in text
    assert "| rollback: deployment |" in text
