"""The Helm chart, rendered and linted by Helm itself in a process of its own.

Helm comes as a shared library with threads of Go's, which no process that forks should load.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "headgate"
NAME, NAMESPACE = "mlflow", "ml"
_RUN = """
import json, sys
import helm_python
from helm_python.chart import Chart, lint
path, what, values = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
try:
    if what == "lint":
        print(json.dumps(lint(path, values, strict=True)))
    else:
        with Chart.load(path) as chart:
            chart.validate_schema(values)
            print(json.dumps(chart.render(values, name=sys.argv[4], namespace=sys.argv[5])))
except helm_python.HelmError as error:
    sys.exit(str(error))
"""


class RefusedError(Exception):
    """Helm refuses the values."""


def rendered(values: Mapping[str, Any]) -> dict[str, str]:
    """Each template and what it comes to.

    Raises:
        RefusedError: the values are refused.
    """
    found: dict[str, str] = _run("render", values)
    return found


def manifests(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All objects that are made of ``values``."""
    return [
        document
        for name, text in sorted(rendered(values).items())
        if not name.endswith(".txt")
        for document in yaml.safe_load_all(text)
        if document
    ]


def lint(values: Mapping[str, Any]) -> dict[str, Any]:
    """What ``helm lint --strict`` finds."""
    found: dict[str, Any] = _run("lint", values)
    return found


def _run(what: str, values: Mapping[str, Any]) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", _RUN, str(CHART), what, json.dumps(values), NAME, NAMESPACE],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode:
        raise RefusedError(done.stderr)
    return json.loads(done.stdout)
