"""``headgate doctor``: diagnoses the connection to MLflow, and vulnerabilities of its version."""

from __future__ import annotations

import http.client
import os
from collections.abc import Sequence
from typing import Annotated
from urllib.parse import urlsplit

import typer

from headgate.cli import client_tls, output
from headgate.cli.chain import walk
from headgate.cli.command import AsJson, Command, ConfigFile
from headgate.cli.verify import key_to_send, tracking_url
from headgate.config import ShieldRule, load
from headgate.contract.snapshots import numbers
from headgate.errors import HeadgateError
from headgate.shields.vulnerabilities import (
    Guard,
    Standing,
    Vulnerability,
    known_up_to,
    read_vulnerabilities,
)

RESPONSE_SECONDS = 10.0
MAX_VERSION_BYTES = 64

app = typer.Typer(
    help="Diagnose the connection to MLflow; list vulnerabilities of its version.",
    add_completion=False,
    rich_markup_mode=None,
)

_HEADINGS = {
    Standing.NEEDS_UPGRADE: "Needs an upgrade",
    Standing.OUT_OF_REACH: "Out of a gate's reach",
    Standing.PARTLY_SHIELDED: "Blocked in part",
    Standing.SHIELDED: "Blocked by the gate",
    Standing.NOT_AFFECTED: "Not in this version",
}
_GUARDS = {
    Guard.KEYS: "nobody passes without a key",
    Guard.ROLES: "a key may do no more than its roles allow",
    Guard.HOSTS: "pages of other sites are refused",
}


@app.callback(invoke_without_command=True)
def doctor(context: typer.Context, as_json: AsJson = False, config: ConfigFile = None) -> None:
    """Diagnose the connection to MLflow; list vulnerabilities of its version.

    Without a further word, walks the way to each upstream step by step, as the configuration has
    it.  The exit code is 1 if a step fails.
    """
    if context.invoked_subcommand is None:
        raise typer.Exit(walk(load(config, os.environ), as_json=as_json))


@app.command(cls=Command)
def cve(
    url: Annotated[
        str, typer.Option(metavar="URL", help="The tracking URI that clients are given.")
    ],
    as_json: AsJson = False,
) -> None:
    """Tell which known vulnerabilities MLflow has.

    All that are published are listed, with what blocks them.  The key comes from
    HEADGATE_API_KEY, MLFLOW_TRACKING_TOKEN or MLFLOW_TRACKING_PASSWORD, or from a prompt.  The
    exit code is 1 if an upgrade is needed.
    """
    target = tracking_url(url)
    version = ask_version(target, key_to_send(os.environ)[0])
    found = read_vulnerabilities()
    needs_upgrade = any(each.standing(version) is Standing.NEEDS_UPGRADE for each in found)
    if as_json:
        print(output.document(document(target, version, found), ok=not needs_upgrade))
    else:
        print("\n".join(lines(version, found)))
    if needs_upgrade:
        raise typer.Exit(1)


def ask_version(url: str, key: str) -> str:
    """The version of the MLflow that is reached under ``url``.

    Raises:
        HeadgateError: there is no response, or another one.
    """
    parts = urlsplit(url)
    if parts.scheme == "https":
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            parts.netloc, timeout=RESPONSE_SECONDS, context=client_tls.context(os.environ)
        )
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=RESPONSE_SECONDS)
    try:
        connection.request(
            "GET", f"{parts.path}/version", headers={"Authorization": f"Bearer {key}"}
        )
        response = connection.getresponse()
        text = response.read(MAX_VERSION_BYTES).decode("ascii", "replace").strip()
    except (OSError, http.client.HTTPException) as error:
        why = client_tls.explained(error, url, os.environ)
        raise HeadgateError(f"{url} does not answer: {why}; is the gate running there?") from None
    finally:
        connection.close()
    if response.status in (401, 403):
        raise HeadgateError(f"{url} refuses the key ({response.status}); check HEADGATE_API_KEY")
    if response.status != 200 or not numbers(text):
        raise HeadgateError(f"{url}/version does not tell a version ({response.status})")
    return text


def document(url: str, version: str, found: Sequence[Vulnerability]) -> dict[str, object]:
    """Everything that is known, for programs; ``affected`` is null where it is not certain."""
    return {
        "url": url,
        "version": version,
        "known_up_to": known_up_to(),
        "vulnerabilities": [
            {
                "id": each.id,
                "what": each.what,
                "affected": each.affects(version),
                "fixed": list(each.fixed),
                "standing": each.standing(version),
                "by": blocker(each),
                "note": each.note,
            }
            for each in found
        ],
    }


def lines(version: str, found: Sequence[Vulnerability]) -> list[str]:
    """The report for a person: a section for each standing, the pressing ones first."""
    report = [
        f"MLflow {version}, {len(found)} published vulnerabilities known, up to {known_up_to()}"
    ]
    for standing, heading in _HEADINGS.items():
        chosen = [each for each in found if each.standing(version) is standing]
        report += ["", f"{heading}: {len(chosen) or 'none'}"]
        for each in chosen:
            report.append(f"  {each.id:<20} {each.what}")
            report += (f"  {'':<20} {text}" for text in _about(each, version))
    report += [
        "",
        "Shields count as switched on here; 'affected: not certain' where sources name no release",
        "that is free of it.",
    ]
    return report


def _about(each: Vulnerability, version: str) -> list[str]:
    if each.standing(version) is Standing.NOT_AFFECTED:
        return []
    affected = "yes" if each.affects(version) else "not certain"
    text = f"affected: {affected}"
    if each.fixed:
        text += f"; fixed in {' and '.join(each.fixed)}"
    by = blocker(each)
    if by:
        text += f"; {'partly ' if each.partly else ''}blocked by {by}"
    return [text, each.note] if each.note else [text]


def blocker(each: Vulnerability) -> str:
    """What of the gate stands in the way, in words; empty if nothing does."""
    if each.by is None:
        return ""
    if isinstance(each.by, ShieldRule):
        return f"shield {each.by}"
    return f"the gate: {_GUARDS[each.by]}"
