"""Runs the commands on keys and principals, on one store."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import Result


@dataclass(frozen=True, slots=True)
class Commands:
    """The commands on the store of a folder; ``run`` runs one of them."""

    data: Path
    run: Callable[..., Any]

    def keys(self, *arguments: str, typed: str | bytes | None = None) -> Result:
        """Run ``headgate keys``; ``typed`` is its standard input."""
        result: Result = self.run("keys", *arguments, typed=typed)
        return result

    def principals(self, *arguments: str) -> Result:
        """Run ``headgate principals``."""
        result: Result = self.run("principals", *arguments)
        return result

    def document(self, group: str, *arguments: str) -> dict[str, Any]:
        """What a command prints with ``--json``."""
        document = dict(json.loads(self.run(group, *arguments, "--json").stdout))
        assert list(document)[:2] == ["ok", "errors"]
        assert document["ok"] is True
        return document
