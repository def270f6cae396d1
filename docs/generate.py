"""Generates the pages that are made from the code and from measurements, and dashboards and rules.

``python -m docs.generate`` writes them.  With ``--check`` it writes nothing, and exits with 1 if a
file is out of date.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench import report
from docs.reference_pages import (
    admin_api,
    cloudwatch,
    command_line,
    configuration,
    connection_states,
    cost,
    decisions,
    diagrams,
    ecs_permissions,
    environment,
    events,
    index,
    log_fields,
    metrics,
    mlflow_schemas,
    mlflow_upgrades,
    parking_states,
    reason_codes,
    refusals,
    roles,
    routes,
    shields,
)
from tools import gate_environment
from tools.observability.files import FILES as OBSERVABILITY

ROOT = Path()  # the folder of the repository, where this runs
PAGES: Mapping[str, Callable[[], str]] = {
    "README.md": index.page,
    "adr/README.md": decisions.page,
    "explanation/cost.md": cost.page,
    "explanation/diagrams.md": diagrams.page,
    "explanation/identity.md": report.identity,
    "explanation/mlflow-upgrades.md": mlflow_upgrades.page,
    "explanation/performance.md": report.page,
    "reference/api.md": admin_api.page,
    "reference/cli.md": command_line.page,
    "reference/cloudwatch.md": cloudwatch.page,
    "reference/configuration.md": configuration.page,
    "reference/connection-states.md": connection_states.page,
    "reference/parking-states.md": parking_states.page,
    "reference/ecs-permissions.md": ecs_permissions.page,
    "reference/environment.md": environment.page,
    "reference/events.md": events.page,
    "reference/log-fields.md": log_fields.page,
    "reference/metrics.md": metrics.page,
    "reference/mlflow-schemas.md": mlflow_schemas.page,
    "reference/reason-codes.md": reason_codes.page,
    "reference/refusals.md": refusals.page,
    "reference/roles.md": roles.page,
    "reference/routes.md": routes.page,
    "reference/shields.md": shields.page,
}
FILES: Mapping[str, Callable[[], str]] = {
    **{f"docs/{name}": page for name, page in PAGES.items()},
    **{f"deploy/observability/{name}": text for name, text in OBSERVABILITY.items()},
    gate_environment.FILE: gate_environment.text,
}


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Write the files below ``root``, or with ``--check`` only compare; the exit code."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write("usage: python -m docs.generate [--check]\n")
        return 2
    files = {root / name: text() for name, text in FILES.items()}
    stale = {file: text for file, text in files.items() if not _holds(file, text)}
    for file, text in stale.items():
        if arguments:
            sys.stderr.write(f"docs: {file} is not up to date; run: make docs\n")
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            sys.stderr.write(f"docs: wrote {file}\n")
    return 1 if arguments and stale else 0


def _holds(file: Path, text: str) -> bool:
    return file.exists() and file.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
