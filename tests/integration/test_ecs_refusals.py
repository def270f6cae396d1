"""AWS that throttles, denies and lets a session end: what the commands print, and what they leave.

The stand-in for ECS answers as AWS does, so that the errors come through boto3.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from headgate.cli import main
from headgate.deploy.ecs.aws import calls
from headgate.testing.ecs import FakePlane, Image, ServiceSpec

SERVER = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_arguments):
        pass
http.server.ThreadingHTTPServer((os.environ["ADDRESS"], 8080), Handler).serve_forever()
"""
PROGRAM = Image((sys.executable, "-c", SERVER), listen={"ADDRESS": "{address}"})
OPTIONS = ("--cluster", "production", "--service", "gate")


@pytest.fixture(scope="module")
def _plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakePlane]:
    with FakePlane(tmp_path_factory.mktemp("ecs"), {"gate:1": PROGRAM, "gate:2": PROGRAM}) as fake:
        container = {
            "name": "headgate",
            "image": fake.pushed("gate:1"),
            "memory": 512,
            "portMappings": [{"containerPort": 8080}],
        }
        definition = {"family": "gate", "containerDefinitions": [container]}
        service = fake.service(ServiceSpec("production", "gate", definition))
        fake.wait_until_steady(service)
        with fake.patched_environment():
            yield fake


@pytest.fixture
def plane(_plane: FakePlane, monkeypatch: pytest.MonkeyPatch) -> FakePlane:
    """The module's stand-in; the pauses before further attempts are short."""
    monkeypatch.setattr(calls, "BACKOFF", (0.01,) * len(calls.BACKOFF))
    _plane.faults.calls.clear()
    return _plane


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs ``headgate ecs``: the exit code, and both outputs in one."""

    def command(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main(["ecs", arguments[0], *OPTIONS, *arguments[1:]])
        output = capsys.readouterr()
        return code, output.out + output.err

    return command


def commands(plane: FakePlane) -> list[tuple[str, ...]]:
    return [("status",), ("deploy", "--image", plane.pushed("gate:2"), "--no-verify")]


@pytest.mark.parametrize("operation", ["DescribeServices", "ListTasks", "DescribeTaskDefinition"])
def test_throttling_is_waited_out(operation: str, plane: FakePlane, run: Any) -> None:
    assert run("status")[0] == 0
    before = plane.faults.calls.count(operation)
    plane.faults.calls.clear()
    plane.faults.fail(operation, "ThrottlingException", 2)
    code, said = run("status")
    assert (code, "Rate exceeded" in said) == (0, False), said
    assert plane.faults.calls.count(operation) == before + 2


@pytest.mark.parametrize("number", [0, 1], ids=["status", "deploy"])
@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("ThrottlingException", ("Rate exceeded", "eu-central-1")),
        ("AccessDeniedException", ("ecs:DescribeServices", "docs/reference/ecs-permissions.md")),
        ("ExpiredTokenException", ("expired", "aws sso login")),
        ("UnrecognizedClientException", ("AWS_PROFILE",)),
        ("ClusterNotFoundException", ("production",)),
    ],
)
def test_what_does_not_pass_is_one_sentence_and_nothing_has_changed(
    number: int, code: str, said: tuple[str, ...], plane: FakePlane, run: Any
) -> None:
    before = service_of(plane)
    plane.faults.fail("DescribeServices", code, 100)
    try:
        exit_code, output = run(*commands(plane)[number])
    finally:
        plane.faults.fail("DescribeServices", code, 0)
    assert exit_code != 0
    (line,) = output.strip().splitlines()[-1:]
    assert line.startswith("headgate: ")
    assert all(each in line for each in said), line
    assert "Traceback" not in output
    assert service_of(plane) == before
    attempts = plane.faults.calls.count("DescribeServices")
    assert (attempts > 1) == (code == "ThrottlingException")
    assert run("status")[0] == 0  # and nothing is left locked


def test_a_program_gets_the_same_sentence(plane: FakePlane, run: Any) -> None:
    plane.faults.fail("DescribeServices", "AccessDeniedException", 1)
    code, output = run("status", "--json")
    document, _ = json.JSONDecoder().raw_decode(output[output.index("{") :])
    assert (code != 0, document["ok"]) == (True, False)
    assert "ecs:DescribeServices" in str(document["errors"])


def test_an_error_that_the_operation_does_not_have_is_a_mistake_of_the_test(
    plane: FakePlane,
) -> None:
    with pytest.raises(ValueError, match="has no error"):
        plane.faults.fail("DescribeServices", "ImageNotFoundException", 1)
    with pytest.raises(ValueError, match="has no operation"):
        plane.faults.fail("DescribeGates", "ThrottlingException", 1)


def service_of(plane: FakePlane) -> tuple[str, int]:
    """The revision that the service is to run, and how many deployments it has had."""
    service = plane.ecs.services["production", "gate"]
    assert service.steady is not None
    return service.steady.target.arn, len(service.deployments)
