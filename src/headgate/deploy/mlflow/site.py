"""What a command works with, and how long it waits for what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from headgate.deploy.clock import Clock
from headgate.deploy.mlflow.seams import Database, Host, Interrupts, Parking, StateFolder
from headgate.deploy.outcome import Verify
from headgate.deploy.phases import Phases, Reporter, Source


@dataclass(frozen=True, slots=True)
class Site:
    """One MLflow with its gates.

    Attributes:
        verify: verifies MLflow through a gate, with the credential of ``parking.admit``.
        operator: who, and where the command runs.
        upstream: the name of MLflow's upstream in the gates.
        command: makes a command line for a person of ``rollback`` and the like, with the options
            that were given.
    """

    host: Host
    database: Database
    parking: Parking
    folder: StateFolder
    interrupts: Interrupts
    clock: Clock
    reporter: Reporter
    phases: Phases
    verify: Verify
    operator: str
    upstream: str
    command: Callable[[str], str]

    def say(self, text: str) -> None:
        """Show a sentence of the command's own."""
        self.reporter.news(Source.HEADGATE, text)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long is waited, in seconds.

    Attributes:
        maximum: from the park to the new version's verification; then it goes back.  The way back
            has no limit of its own beside those of its steps.
        acknowledge: for every gate to follow the park.
        drain: for requests in flight to end.
        stop: for MLflow to end.
        disconnect: for the connections of a MLflow that ended to be gone.
        start: for MLflow to be healthy.
        unpark: for a gate that cannot be asked to be asked again.
    """

    maximum: float = 240.0
    acknowledge: float = 15.0
    drain: float = 60.0
    stop: float = 60.0
    disconnect: float = 15.0
    start: float = 180.0
    unpark: float = 60.0


AskForSnapshot = Callable[[str], str]
"""Asks the operator to make a snapshot of a database now; the id of it.

It raises a ``HeadgateError`` if there is none."""
