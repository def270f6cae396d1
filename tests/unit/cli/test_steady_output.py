"""A command that changes a service ends as it is to, also if nobody reads what it says."""

from __future__ import annotations

import io
import sys

import pytest

from headgate.cli.deploy_views import ConsoleView, JsonView
from headgate.deploy.mlflow.phases import Step
from headgate.deploy.outcome import ExitCode, Outcome
from headgate.deploy.phases import Phase, Source


class Closed(io.StringIO):
    """A pipe that nobody reads any more, or the terminal of a session that ended."""

    def write(self, _text: str) -> int:
        raise BrokenPipeError


@pytest.mark.parametrize("make", [ConsoleView, JsonView])
@pytest.mark.parametrize("stream", [Closed(), None])
def test_nothing_fails_because_nobody_reads(
    make: type[ConsoleView | JsonView], stream: io.StringIO | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", stream)
    view = make()
    with view.live():
        view.begun(Step.PARK)
        view.status("waits")
        view.news(Source.HEADGATE, "goes back")
        view.ended(Phase(Step.PARK, 1.0, passed=True))
        view.finish(Outcome(ExitCode.DONE, "it runs"))
    assert view.output.lost


def test_what_is_read_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    view = ConsoleView()
    with view.live():
        view.finish(Outcome(ExitCode.DONE, "it runs"))
    assert not view.output.lost
    assert "Done in 0.0 s: it runs." in capsys.readouterr().out
