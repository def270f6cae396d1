"""What MLflow's client prints when calls fail: many calls in one process, for any version of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.support.patience import patience
from tests.support.processes import clean_environment

SECONDS = 300.0
# It needs nothing but MLflow, so that clients of other environments run it too.
_DRIVER = r"""
import io, json, logging, os, pathlib, sys, tempfile, traceback
import mlflow

def log(name, size=10, folder=None):
    file = pathlib.Path(tempfile.mkdtemp(), "model.bin")
    file.write_bytes(bytes(size))
    client = mlflow.MlflowClient()
    found = mlflow.get_experiment_by_name(name)
    experiment = found.experiment_id if found else client.create_experiment(name)
    client.log_artifact(client.create_run(experiment).info.run_id, str(file), folder)

def said(call):
    given = dict(os.environ)
    os.environ.update(call["environment"])
    mlflow.set_tracking_uri(call["uri"])
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    logging.getLogger().addHandler(handler)
    try:
        exec(call["code"], {"mlflow": mlflow, "log": log})
    except BaseException as error:
        lines.write("".join(traceback.format_exception_only(error)))
    finally:
        logging.getLogger().removeHandler(handler)
        os.environ.clear()
        os.environ.update(given)
    return lines.getvalue()

print("\n" + json.dumps([said(each) for each in json.load(sys.stdin)]))
"""


@dataclass(frozen=True)
class Call:
    """One call of the client: the server's address, what is called, and with which settings."""

    uri: str
    code: str
    environment: Mapping[str, str] = field(default_factory=dict)


def messages(calls: Sequence[Call], home: Path, python: Path | None = None) -> list[str]:
    """What each call prints: its warnings, and the exception as Python shows it.

    ``python`` is the interpreter of another environment than this one.
    """
    settings = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # a failure shows immediately
        "HOME": str(home),
    }
    done = subprocess.run(
        [python or sys.executable, "-c", _DRIVER],
        env=clean_environment() | settings,
        cwd=home,
        input=json.dumps([asdict(each) for each in calls]),
        capture_output=True,
        text=True,
        timeout=patience(SECONDS),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found
