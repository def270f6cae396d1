"""Two files in the data folder of ``headgate up``: what it is to run, and what it does.

A command that upgrades MLflow writes the first, and ``headgate up`` follows it within a second and
writes the second.  Both outlive their writers: a ``headgate up`` that is started while an upgrade
is half done does not start MLflow on a database that is half migrated.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from headgate.deploy.mlflow import durable
from headgate.errors import HeadgateError

FORMAT: Final = 1
WANTED: Final = "mlflow-wanted.json"
STATE: Final = "mlflow-state.json"


@dataclass(frozen=True, slots=True)
class WantedMlflow:
    """What ``headgate up`` is to run.

    Attributes:
        request: drawn at random for each change.
        place: an interpreter, or the folder of an environment.
        run: whether MLflow is to run.
        guarded_until: seconds since the epoch; until then the gate goes on if MLflow ends.
    """

    request: str
    place: str
    run: bool
    guarded_until: float = 0.0

    @property
    def python(self) -> Path:
        """The interpreter."""
        place = Path(self.place)
        return place / "bin/python" if place.is_dir() else place


@dataclass(frozen=True, slots=True)
class MlflowState:
    """What ``headgate up`` does.

    Attributes:
        request: the one that it follows; empty if there was none.
        place: of the MLflow that it has started last; empty if none.
        own: the interpreter of ``headgate up`` itself.
        mlflow: the process that MLflow and all of its processes descend from; 0 if it does not run.
        exit_code: if it has ended by itself.
        url: MLflow's own address.
        gate: the gate's.
    """

    request: str
    place: str
    own: str
    mlflow: int
    exit_code: int | None
    url: str
    gate: str


def read_wanted(folder: Path) -> WantedMlflow | None:
    """What is wanted; None if nothing was ever asked.

    Raises:
        HeadgateError: the file cannot be read.
    """
    fields = _read(folder / WANTED)
    if fields is None:
        return None
    try:
        return WantedMlflow(**fields)
    except TypeError:
        raise _unreadable(folder / WANTED, "it has other members") from None


def read_state(folder: Path) -> MlflowState | None:
    """What ``headgate up`` has written last; None if it never did.

    Raises:
        HeadgateError: the file cannot be read.
    """
    fields = _read(folder / STATE)
    if fields is None:
        return None
    try:
        return MlflowState(**fields)
    except TypeError:
        raise _unreadable(folder / STATE, "it has other members") from None


def write(folder: Path, what: WantedMlflow | MlflowState) -> None:
    """Replace a file, on the disk when this returns.

    Raises:
        HeadgateError: it cannot be written.
    """
    file = folder / (WANTED if isinstance(what, WantedMlflow) else STATE)
    try:
        durable.replace(file, json.dumps({"format": FORMAT} | asdict(what)))
    except OSError as error:
        raise HeadgateError(f"{file} cannot be written: {error.strerror}") from None


def _read(file: Path) -> dict[str, Any] | None:
    try:
        fields = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _unreadable(file, str(error)) from None
    if not isinstance(fields, dict) or fields.pop("format", None) != FORMAT:
        raise _unreadable(file, f"it is not of format {FORMAT}")
    return fields


def _unreadable(file: Path, why: str) -> HeadgateError:
    return HeadgateError(
        f"{file} cannot be read ({why}): stop headgate up, remove the file, and start it again "
        "with --mlflow-python"
    )
