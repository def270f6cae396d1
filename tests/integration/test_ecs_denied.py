"""A permission that is missing, and a session that ends, in the middle of ``headgate ecs deploy``.

Each operation of ECS that a deployment asks for is denied in turn, through the real command and
boto3: it ends with a sentence and an exit code that is true, and the way back works afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest

from headgate.cli import main
from headgate.deploy.ecs.aws.plane import connect
from headgate.deploy.ecs.journal import read
from headgate.deploy.ecs.names import short
from headgate.deploy.ecs.records import Target
from headgate.deploy.outcome import ExitCode
from headgate.testing.ecs import FakePlane
from tests.support.ecs_service import CLUSTER, DIGEST, small_plane, small_service

pytestmark = [pytest.mark.first, pytest.mark.timeout(600)]  # most of it waiting

SERVICE: Final = "denied"
OPERATIONS: Final = frozenset(
    {
        "DescribeServiceDeployments",
        "DescribeServiceRevisions",
        "DescribeServices",
        "DescribeTaskDefinition",
        "DescribeTasks",
        "ListServiceDeployments",
        "ListTasks",
        "RegisterTaskDefinition",
        "RunTask",
        "TagResource",
        "UntagResource",
        "UpdateService",
    }
)
"""What a deployment that succeeds asks of ECS; the first test holds this to it."""
MANY: Final = 10_000


@dataclass(frozen=True)
class Operator:
    """Deploys and rolls back, in the time of the stand-in."""

    plane: FakePlane
    capture: pytest.CaptureFixture[str]

    def run(self, *arguments: str) -> tuple[int, str]:
        """The exit code, and the last line."""
        self.capture.readouterr()
        code = main(["ecs", *arguments, "--cluster", CLUSTER, "--service", SERVICE])
        output = self.capture.readouterr()
        said = output.out + output.err
        assert "Traceback" not in said, said
        return code, " ".join(said.split())

    def deploy(self) -> tuple[int, str]:
        """Deploy without verification."""
        return self.run("deploy", "--image", f"headgate{DIGEST}", "--no-verify", "--watch", "0")

    def running(self) -> set[str]:
        """The revisions of the tasks that are to run."""
        service = self.plane.ecs.services[CLUSTER, SERVICE]
        return {short(each.definition.arn) for each in self.plane.tasks.of(service)}


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakePlane]:
    with small_plane(tmp_path_factory.mktemp("ecs")) as fake, fake.patched_environment():
        small_service(fake, SERVICE)
        yield fake


@pytest.fixture
def operator(
    plane: FakePlane, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Operator]:
    clock: Any = lambda: plane.clock  # noqa: E731 - a constructor
    for module in ("deploy", "rollback"):
        monkeypatch.setattr(f"headgate.cli.ecs.{module}.SystemClock", clock)
    plane.faults.calls.clear()
    yield Operator(plane, capsys)
    for each in OPERATIONS:
        plane.faults.fail(each, "AccessDeniedException", 0)


def test_what_a_deployment_asks_for(operator: Operator) -> None:
    assert operator.deploy()[0] == ExitCode.DONE
    assert set(operator.plane.faults.calls) == OPERATIONS


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
@pytest.mark.parametrize(
    ("code", "served"),
    [
        ("AccessDeniedException", 1),
        pytest.param("AccessDeniedException", 0, marks=pytest.mark.long),
        pytest.param("ExpiredTokenException", 0, marks=pytest.mark.long),
        pytest.param("ExpiredTokenException", 1, marks=pytest.mark.long),
    ],
)
def test_it_ends_with_the_truth_and_the_way_back_works(
    code: str, served: int, operation: str, operator: Operator
) -> None:
    """The operation is denied from its first call on, or from its second."""
    before = operator.running()
    operator.plane.faults.fail(operation, code, MANY, after=served)
    ended, said = operator.deploy()
    cause = operation if code == "AccessDeniedException" else "expired"
    if ended == ExitCode.DONE:
        assert operator.plane.faults.calls.count(operation) <= served
    else:
        assert cause in said, said
    if ended in (ExitCode.NOTHING_DONE, ExitCode.ROLLED_BACK):
        assert operator.running() == before, said
    operator.plane.faults.fail(operation, code, 0)

    target = Target(CLUSTER, SERVICE)
    journal = read(connect(target, None, operator.plane.clock).journal(), "journal")
    if ended == ExitCode.FAILED:
        assert "headgate ecs rollback" in said
    if ended not in (ExitCode.DONE, ExitCode.NOTHING_DONE) or journal.in_progress is not None:
        ended, said = operator.run("rollback")
        assert ended == ExitCode.DONE or "already" in said, said
        assert operator.running() == before
    journal = read(connect(target, None, operator.plane.clock).journal(), "journal")
    assert journal.in_progress is None
