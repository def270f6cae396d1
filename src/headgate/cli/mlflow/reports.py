"""The report of the last command, kept beside the journal for those who did not see it.

A terminal may be closed while MLflow is upgraded.
"""

from __future__ import annotations

import json
from pathlib import Path

from headgate.cli.output import document, tell
from headgate.deploy.mlflow.folder import REPORT, LocalFolder
from headgate.deploy.mlflow.journal import JournalError
from headgate.deploy.mlflow.site import Site
from headgate.deploy.mlflow.words import utc
from headgate.deploy.outcome import ExitCode, Outcome


def keep(folder: LocalFolder, outcome: Outcome, site: Site) -> Path:
    """Keep how a command ended, unless it did nothing; the file."""
    fields = {"at": utc(site.clock.now()), "operator": site.operator, **outcome.document()}
    if outcome.code is not ExitCode.BUSY:
        try:
            folder.write_report(document(fields, ok=outcome.code is ExitCode.DONE) + "\n")
        except JournalError as error:
            tell(f"headgate: {error}")
    return folder.path() / REPORT


def last_report(folder: LocalFolder) -> str:
    """How the last command ended, in a line; empty if that is not known."""
    text = folder.read_report()
    try:
        found = {} if text is None else json.loads(text)
        return f"{found['at']}, {found['operator']}: {found['summary']}"
    except (ValueError, KeyError, TypeError):
        return ""
