"""The program that `headgate verify` starts: ``python -m headgate_verify --url URL``.

The key is in ``HEADGATE_API_KEY``.  Standard output has events, one JSON object per line; the
output of MLflow goes to standard error.  Exit code 0: every step passed; 1: a step failed; 2: the
verification could not start.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

from headgate_verify.environment import Credentials, client_environment
from headgate_verify.events import Events

KEY_VARIABLE = "HEADGATE_API_KEY"


def main() -> int:
    """Run the verification and return the exit code."""
    arguments = _arguments()
    credentials = Credentials(os.environ.get(KEY_VARIABLE, ""), arguments.auth, arguments.username)
    events = Events(_claim_standard_output(), credentials.secrets)
    if importlib.util.find_spec("mlflow") is None:
        events.emit("unusable", message=f"MLflow is not installed for {sys.executable}")
        return 2
    with TemporaryDirectory(prefix="headgate-verify-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        home = folder / "home"
        home.mkdir()
        environment = client_environment(
            os.environ, url=arguments.url, credentials=credentials, home=home
        )
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        from headgate_verify.session import verify  # noqa: PLC0415 - MLflow reads its environment

        passed = verify(
            url=arguments.url,
            credentials=credentials,
            folder=folder,
            size=arguments.size,
            keep=arguments.keep,
            events=events,
        )
    return 0 if passed else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="headgate_verify", description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--auth", choices=("bearer", "basic"), default="bearer")
    parser.add_argument("--username", default="headgate-verify")
    parser.add_argument("--size", type=int, default=128 * 1024 * 1024, help="bytes")
    parser.add_argument("--keep", action="store_true")
    return parser.parse_args()


def _claim_standard_output() -> TextIO:
    """Reserve standard output for events; redirect all other output to standard error."""
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return events


if __name__ == "__main__":
    sys.exit(main())
