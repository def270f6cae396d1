"""How an upgrade or a rollback ends, in a sentence that says where things stand."""

from __future__ import annotations

from headgate.deploy.mlflow.errors import ParkLostError
from headgate.deploy.mlflow.journal import Move
from headgate.deploy.mlflow.phases import Kind
from headgate.deploy.mlflow.site import Site
from headgate.deploy.mlflow.words import seconds_in_words, utc
from headgate.deploy.outcome import ExitCode, Outcome


class Endings:
    """Makes outcomes.  Each takes the move as it is then, and for how long clients waited."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def done(self, move: Move, parked: float) -> Outcome:
        """The target runs."""
        kept = ""
        if move.snapshot is not None:
            what = "the way back" if move.kind is Kind.UPGRADE else "what there was before"
            kept = f"; {what} is kept in {move.snapshot.place}"
        return self._outcome(
            move,
            parked,
            ExitCode.DONE,
            f"MLflow {move.target.number} runs and is verified; clients waited for "
            f"{seconds_in_words(parked)}{kept}",
        )

    def returned(self, move: Move, parked: float) -> Outcome:
        """The source runs again."""
        return self._outcome(
            move,
            parked,
            ExitCode.ROLLED_BACK,
            f"{move.cause}. MLflow {move.source.number} runs on its database, as before",
        )

    def not_begun(self, move: Move) -> Outcome:
        """Somebody else has parked the upstream."""
        return self._outcome(move, 0.0, ExitCode.BUSY, f"nothing was done: {move.cause}")

    def not_released(self, move: Move, parked: float, problem: Exception) -> Outcome:
        """The target runs and is verified, and the gates do not know it."""
        return self._outcome(
            move,
            parked,
            ExitCode.FAILED,
            f"MLflow {move.target.number} runs and is verified, but its clients may still wait at "
            f"the gates: {problem}",
            f"when the gates can be asked again, run: {self._site.command('upgrade --continue')}",
        )

    def stranded(self, move: Move, parked: float, problem: BaseException) -> Outcome:
        """The way back failed: clients wait, and are refused once the lease ends."""
        step = move.step.value.removeprefix("back: ")
        return self._outcome(
            move,
            parked,
            ExitCode.FAILED,
            f"{move.cause}. The way back to MLflow {move.source.number} stopped at '{step}': "
            f"{str(problem) or type(problem).__name__}. Until that is done no client reaches "
            "MLflow",
            f"remove the cause, then run: {self._site.command('rollback')}",
        )

    def abandoned(self, move: Move, parked: float, error: ParkLostError) -> Outcome:
        """The park was ended by somebody while the target was running already."""
        return self._outcome(
            move,
            parked,
            ExitCode.FAILED,
            f"{error}, before MLflow {move.target.number} was verified; clients may have written "
            "to it since, so nothing was restored",
            f"to park again and go on, run: {self._site.command('upgrade --continue')}; to return "
            f"all the same: {self._site.command(rollback_of(move))}",
        )

    def undecided(self, move: Move, parked: float, problem: BaseException) -> Outcome:
        """The way back needs the operator's word, and MLflow runs as it did."""
        return self._outcome(
            move, parked, ExitCode.FAILED, f"{move.cause}. Nothing was restored: {problem}"
        )

    def needs_consent(self, move: Move, error: ParkLostError) -> str:
        """Why nothing is restored without an explicit word."""
        return (
            f"{error}, so that clients may have written to MLflow {move.target.number}, which "
            f"restoring would lose; to restore all the same, run: "
            f"{self._site.command(rollback_of(move))}"
        )

    def _outcome(
        self, move: Move, parked: float, code: ExitCode, summary: str, advice: str = ""
    ) -> Outcome:
        facts = {
            "kind": move.kind.value,
            "host": move.host,
            "database": move.database,
            "from": move.source.number,
            "to": move.target.number,
            "step": move.step.value,
            "snapshot": None if move.snapshot is None else move.snapshot.place,
            "parked_seconds": round(parked, 3),
        }
        return Outcome(code, summary, advice, tuple(self._site.phases.ended), facts)


def rollback_of(move: Move) -> str:
    """``rollback`` with the word that what was written since may be lost."""
    if move.snapshot is None:
        return "rollback"
    return f"rollback --discard-since {utc(move.snapshot.at)}"
