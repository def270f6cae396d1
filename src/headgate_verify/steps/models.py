"""A small model: logged, registered, loaded by an alias, and called."""

from __future__ import annotations

import importlib.util
import math
from typing import Any

import mlflow
from mlflow.models.model import ModelInfo
from mlflow.pyfunc.model import PythonModel

from headgate_verify.steps import removal
from headgate_verify.subject import MismatchError, Subject, expect

ALIAS = "verified"
_REGISTRATION_LIMIT = 30
_INPUTS = [[0.0], [1.0], [2.5]]


class _Line(PythonModel):
    """y = 2x + 1, for environments without scikit-learn."""

    def predict(self, context: object, model_input: Any, params: object = None) -> list[float]:
        del context, params
        return [2.0 * float(row[0]) + 1.0 for row in model_input]


def log_and_register(subject: Subject) -> str:
    """Log the model into the run and register it in the same call, as training code does."""
    subject.made[removal.MODEL] = subject.name
    with mlflow.start_run(run_id=subject.run_id):
        kind, info = (
            _log_sklearn(subject) if importlib.util.find_spec("sklearn") else _log_pyfunc(subject)
        )
    subject.logged_model_id = info.model_id or ""
    if subject.logged_model_id:
        subject.made[removal.LOGGED_MODEL] = subject.logged_model_id
        logged = subject.client.get_logged_model(subject.logged_model_id)
        subject.made[removal.MODEL_FILES] = logged.artifact_location
    version = subject.client.get_model_version(subject.name, str(info.registered_model_version))
    expect("status of the model version", version.status, "READY")
    expect("run of the model version", version.run_id, subject.run_id)
    subject.model_version = version.version
    return f"{kind}, version {version.version}"


def alias(subject: Subject) -> str:
    """Set an alias and resolve it."""
    subject.client.set_registered_model_alias(subject.name, ALIAS, subject.model_version)
    version = subject.client.get_model_version_by_alias(subject.name, ALIAS)
    expect("version by alias", version.version, subject.model_version)
    return f"@{ALIAS}"


def load_and_predict(subject: Subject) -> str:
    """Load by alias and compare the predictions with those from before logging."""
    loaded = mlflow.pyfunc.load_model(f"models:/{subject.name}@{ALIAS}")
    predictions = [float(value) for value in loaded.predict(_inputs())]
    if not all(map(math.isclose, predictions, subject.predictions)):
        raise MismatchError(f"predictions: {predictions}, before: {subject.predictions}")
    expect("number of predictions", len(predictions), len(_INPUTS))
    return f"{len(predictions)} predictions agree"


def _inputs() -> Any:
    import numpy as np  # noqa: PLC0415 - a client without it can still do all other steps

    return np.array(_INPUTS)


def _log_sklearn(subject: Subject) -> tuple[str, ModelInfo]:
    import sklearn  # noqa: PLC0415 - optional
    from sklearn.linear_model import LinearRegression  # noqa: PLC0415

    inputs = _inputs()
    model = LinearRegression().fit(inputs, 2.0 * inputs[:, 0] + 1.0)
    subject.predictions = [float(value) for value in model.predict(inputs)]
    info = mlflow.sklearn.log_model(
        model,
        name="model",
        registered_model_name=subject.name,
        await_registration_for=_REGISTRATION_LIMIT,
        pip_requirements=[f"scikit-learn=={sklearn.__version__}"],  # inferring takes seconds
    )
    return "scikit-learn", info


def _log_pyfunc(subject: Subject) -> tuple[str, ModelInfo]:
    model = _Line()
    subject.predictions = model.predict(None, _inputs())
    info = mlflow.pyfunc.log_model(
        python_model=model,
        name="model",
        registered_model_name=subject.name,
        await_registration_for=_REGISTRATION_LIMIT,
        pip_requirements=[f"mlflow=={mlflow.__version__}"],
    )
    return "pyfunc", info
