"""MLflow's own client, which creates runs and logged models without a pause: a program of its own.

``python creating_client.py URL EXPERIMENT LABEL FILE`` goes on until ``FILE`` exists.  It writes a
JSON line after each create: ``{"run": id}``, ``{"model": id}`` or ``{"failed": why}``.
"""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

import mlflow
from mlflow import MlflowClient

HAS_MODELS = int(mlflow.__version__.split(".")[0]) >= 3


def _say(**what: str) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main(url: str, experiment: str, label: str, end: Path) -> None:
    """Create until the file is there."""
    client = MlflowClient(url)
    for number in itertools.count():
        if end.exists():
            return
        try:
            run = client.create_run(experiment, tags={"label": label, "number": str(number)})
            _say(run=run.info.run_id)
            if HAS_MODELS:
                model = client.create_logged_model(
                    experiment, name="model", source_run_id=run.info.run_id
                )
                _say(model=model.model_id)
        except Exception as error:  # noqa: BLE001 - it is what the test counts
            _say(failed=f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4]))
