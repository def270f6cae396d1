"""MLflow's database schema, from outside: what its server's version implies."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from headgate.cli.gate_api import HttpExchange
from headgate.cli.verify import key_to_send, tracking_url
from headgate.deploy.ecs.drill import Schema
from headgate.errors import HeadgateError

_HEAD: Final = (
    "import mlflow; from mlflow.store.db.utils import _get_alembic_config as c; "
    "from alembic.script import ScriptDirectory as s; "
    "print(mlflow.__version__, s.from_config(c('sqlite://')).get_current_head())"
)
"""Prints the version of the MLflow that is installed, and the schema that it wants."""


def schema_at(url: str, python: Path | None) -> Callable[[], Schema]:
    """Asks for the version of the MLflow behind a gate, and for the schema of that version.

    Raises:
        HeadgateError: there is no key, or no such address.
    """
    target = tracking_url(url)
    key, _auth = key_to_send(os.environ)
    exchange = HttpExchange(target, key, os.environ)
    heads: dict[str, str] = {}

    def ask() -> Schema:
        response = exchange("GET", "/version", {}, None)
        version = response.body.decode(errors="replace").strip()
        if response.status != 200 or not version:
            raise HeadgateError(
                f"{target}/version responds with status {response.status}, so that MLflow's schema "
                "cannot be compared: does the key's principal have the permission to read?"
            )
        if not heads:
            heads.update(_installed(python))
        return Schema(version, heads.get(version, ""))

    return ask


def _installed(python: Path | None) -> dict[str, str]:
    """The schema of the MLflow that is installed here, by its version."""
    try:
        said = subprocess.run(  # noqa: S603 - the operator chooses the interpreter
            [str(python or sys.executable), "-P", "-c", _HEAD],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        ).stdout
        version, head = said.split()
    except (OSError, ValueError, subprocess.SubprocessError):
        return {"": ""}
    return {version: head}
