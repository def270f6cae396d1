"""The figures of upgrades of MLflow, kept for the page on them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

from tests.support.maintenance_load import Verdict

RECORD: Final = "HEADGATE_RECORD"
"""The variable with the file that the figures of each case are written to; without it none are."""


def record(case: str, kind: str, found: Verdict) -> None:
    """Put the figures of one case into the file, in the place of those of an earlier run."""
    if not (name := os.environ.get(RECORD)):
        return
    file = Path(name)
    rows: list[dict[str, Any]] = []
    if file.exists():
        rows = json.loads(file.read_text(encoding="utf-8"))
    row = {"case": case, "database": kind, **found.figures()}
    kept = [each for each in rows if (each["case"], each["database"]) != (case, kind)]
    kept.append(row)
    file.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
