"""Asks a Python interpreter for the MLflow in its environment, and lets it migrate a database.

Headgate never imports MLflow.  The version and the migrations are read from its files, which takes
no second, where importing it takes several.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from headgate.deploy.mlflow.errors import HostError, MigrationError, NoSuchVersionError
from headgate.deploy.mlflow.programs import Done, run
from headgate.deploy.mlflow.records import Version

URL: Final = "HEADGATE_MLFLOW_DATABASE_URL"
"""The variable with the URL of the database for ``MIGRATE``."""
ASK_SECONDS: Final = 60.0

IDENTIFY: Final = r"""
import ast, importlib.metadata, importlib.util, json, pathlib

def assigned(tree, name):
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(each, ast.Name) and each.id == name for each in targets):
            return ast.literal_eval(node.value)

try:
    number = importlib.metadata.version("mlflow")
    package = pathlib.Path(importlib.util.find_spec("mlflow").origin).parent
except (importlib.metadata.PackageNotFoundError, AttributeError):
    number, package = "", None
revisions = {}
if package is not None:
    for file in (package / "store/db_migrations/versions").glob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        revision = assigned(tree, "revision")
        if revision is not None:
            revisions[revision] = assigned(tree, "down_revision")
print(json.dumps({"number": number, "revisions": revisions}))
"""
"""Prints the version, and each Alembic revision with the one before it."""

MIGRATE: Final = (
    f"import os; url = os.environ.pop('{URL}'); "
    "from mlflow.db import commands; "
    "commands(['upgrade', url], standalone_mode=False)"
)
"""``mlflow db upgrade URL`` with the URL in no command line."""


def identify(python: Path, place: str = "") -> tuple[Version, Sequence[str]]:
    """The MLflow of an interpreter, with its revisions in the order in which they are applied.

    Args:
        python: the interpreter.
        place: what the version is called in the journal; by default the interpreter.

    Raises:
        NoSuchVersionError: there is no such interpreter, or it has no MLflow.
        HostError: it does not say.
    """
    try:
        done = run([str(python), "-P", "-c", IDENTIFY], environment(os.environ), ASK_SECONDS)
    except OSError as error:
        raise NoSuchVersionError(f"there is no Python at {python}: {error.strerror}") from None
    if done.code == _NOT_FOUND or not python.exists():
        raise NoSuchVersionError(f"there is no Python at {python}")
    try:
        found = json.loads(done.output)
        number, chain = found["number"], found["revisions"]
    except (ValueError, KeyError, TypeError):
        raise HostError(f"{python} does not say which MLflow it has: {done.said}") from None
    if not number:
        raise NoSuchVersionError(
            f"{python} has no MLflow; install one with: {python} -m pip install mlflow"
        )
    revisions = in_order(chain)
    if not revisions:
        raise HostError(f"the migrations of MLflow {number} at {python} are not to be understood")
    return Version(number, revisions[-1], place or str(python)), revisions


def in_order(chain: Mapping[str, Any]) -> list[str]:
    """Revisions from the first to the head; empty if they do not form one chain.

    Args:
        chain: each revision with the one before it, None for the first.
    """
    after = {before: each for each, before in chain.items() if not isinstance(before, list)}
    found: list[str] = []
    following = after.get(None)
    while following is not None and len(found) < len(chain):
        found.append(following)
        following = after.get(following)
    return found if len(found) == len(chain) else []


def migrate(python: Path, version: Version, url: str, limit: float, folder: Path) -> str:
    """Run a version's ``mlflow db upgrade``; the end of what it said.

    Raises:
        MigrationError: it failed, or did not end in time.
    """
    variables = environment(os.environ) | {URL: url}
    try:
        done = run([str(python), "-P", "-c", MIGRATE], variables, limit, folder=folder, secret=url)
    except OSError as error:
        raise MigrationError(f"{python} cannot be started: {error.strerror}") from None
    what = f"'mlflow db upgrade' of MLflow {version.number}"
    if done.code is None:
        raise MigrationError(f"{what} did not end in {limit:.0f} s, and was ended")
    if done.code != 0:
        raise MigrationError(f"{what} failed with exit code {done.code}: {_cause(done)}")
    return f"to the schema {version.head}"


def _cause(done: Done) -> str:
    """The last line, which in a traceback is the error."""
    return done.said.rpartition(" / ")[2] or "it said nothing"


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """What an MLflow's interpreter is given: nothing that is meant for a client or for a gate."""
    ours = ("MLFLOW_", "_MLFLOW_", "HEADGATE_", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    kept = {name: value for name, value in variables.items() if not name.startswith(ours)}
    return kept | {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}


_NOT_FOUND: Final = 127
