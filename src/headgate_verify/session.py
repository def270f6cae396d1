"""Builds one verification.  Imports MLflow, so the environment must be set before."""

from __future__ import annotations

import os
import platform
import secrets
from pathlib import Path

import mlflow

from headgate_verify.environment import Credentials
from headgate_verify.events import Events
from headgate_verify.plan import PLAN
from headgate_verify.recorder import Recorder
from headgate_verify.runner import Runner
from headgate_verify.subject import Subject


def verify(
    *, url: str, credentials: Credentials, folder: Path, size: int, keep: bool, events: Events
) -> bool:
    """Run all steps against ``url``; return whether all passed."""
    subject = Subject(
        url=url,
        suffix=secrets.token_hex(5),
        folder=folder,
        size=size,
        credentials=credentials,
        client=mlflow.MlflowClient(tracking_uri=url, registry_uri=url),
    )
    steps = PLAN.checks if keep else PLAN.checks + PLAN.removals
    events.emit(
        "plan",
        steps=[step.name for step in steps],
        name=subject.name,
        client=f"MLflow {mlflow.__version__}, Python {platform.python_version()}",
        pid=os.getpid(),
    )
    return Runner(PLAN, subject, Recorder(), events).run(keep=keep)
