"""``headgate park``: let the requests for an upstream wait at all gates, for a while."""

# ruff: noqa: PLC0415 - `headgate --help` must not import what only a running command needs
from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from headgate.cli.administering import span_of_at_most
from headgate.cli.command import AsJson
from headgate.cli.maintaining import (
    AckTimeout,
    DrainTimeout,
    Patience,
    Sentence,
    Shown,
    UndoneError,
    UpstreamApi,
    UpstreamName,
    Url,
    interruptible,
    report_undone,
    wait,
)
from headgate.cli.output import document
from headgate.errors import HeadgateError
from headgate.identity import IdentityError
from headgate.maintenance.changes import MOST_SECONDS

USUAL_SECONDS = 240.0


def park(
    upstream: UpstreamName = "default",
    longest: Annotated[
        float | None,
        typer.Option(
            "--max",
            metavar="TIME",
            parser=span_of_at_most(MOST_SECONDS, "1h"),
            help="When it ends by itself, at most 1h.  [4m]",
        ),
    ] = None,
    sentence: Sentence = "",
    ack_timeout: AckTimeout = None,
    drain_timeout: DrainTimeout = None,
    status: Annotated[
        bool, typer.Option("--status", help="Only show how upstreams and gates stand.")
    ] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> int:
    """Let the requests for an upstream wait at all gates, for a while.

    Requests under way finish.  Returns once every gate follows and MLflow executes no request of a
    client.  Otherwise it is unparked, and the exit code is 1.  The key comes from HEADGATE_API_KEY,
    or from a prompt; it needs the grant administer:gate, for --status read:gate.
    """
    if status:
        return _status(url, as_json=as_json)
    api = UpstreamApi.at(url, upstream)
    seconds = math.ceil(USUAL_SECONDS if longest is None else longest)
    patience = Patience.of(ack_timeout, drain_timeout)
    with interruptible() as interrupted:
        asked = _asked(api, {"seconds": seconds, "sentence": sentence})
        park_id = asked["park"]["id"]
        try:
            shown = wait(
                api,
                lambda each: bool(each["drained"]),
                lambda each: each["park"] is None or each["park"]["id"] != park_id,
                patience,
                interrupted,
            )
        except UndoneError as error:
            return _undone(api, asked, str(error), as_json=as_json)
    if as_json:
        print(document({"upstream": shown}))
    else:
        gates = len(shown["gates"])
        print(
            f"upstream {upstream} is parked at {gates} gate{'s' if gates > 1 else ''} until "
            f"{shown['park']['ends_at']} at the latest; 'headgate unpark' lets requests go on"
        )
    return 0


def _asked(api: UpstreamApi, body: Mapping[str, object]) -> Shown:
    """Park; where nobody has said whether that was done, it is taken back.

    Raises:
        HeadgateError: it is not parked by this command.
    """
    before = api.look()
    try:
        return api.ask("park", body)
    except IdentityError:
        raise
    except HeadgateError:
        with contextlib.suppress(HeadgateError):
            found = api.look()["park"]
            if found is not None and found["by"] == api.who() and found != before["park"]:
                api.ask("unpark", {"park": found["id"]})
        raise


def _undone(api: UpstreamApi, asked: Shown, why: str, *, as_json: bool) -> int:
    """Take the park back; the exit code."""
    try:
        api.ask("unpark", {"park": asked["park"]["id"]})
    except HeadgateError as error:
        line = (
            f"upstream {api.name} is to be unparked, and that failed ({error}); it ends by itself "
            f"at {asked['park']['ends_at']}; it was to be unparked since {why}"
        )
    else:
        line = f"upstream {api.name} is not parked: {why}"
    return report_undone(line, as_json=as_json)


def _status(url: str | None, *, as_json: bool) -> int:
    from headgate.cli.maintaining import gate_api

    found: list[dict[str, Any]] = gate_api(url).ask("GET", "upstreams")["upstreams"]
    if as_json:
        print(document({"upstreams": found}))
        return 0
    for each in found:
        print("\n".join(status_lines(each)))
    return 0


def status_lines(shown: Shown) -> list[str]:
    """An upstream and its gates for a person, a line each."""
    lines = [f"upstream {shown['name']}: {shown['state']}"]
    if (found := shown["park"]) is not None:
        kind = "by a command, for" if found["lease"] else "by"
        why = f": {found['sentence']}" if found["sentence"] else ""
        lines.append(f"  parked {kind} {found['by']} until {found['ends_at']}{why}")
    if (found := shown["read_only"]) is not None:
        why = f": {found['sentence']}" if found["sentence"] else ""
        lines.append(f"  read-only by {found['by']} until {found['ends_at']}{why}")
    for gate in shown["gates"]:
        follows = "" if gate["revision"] >= shown["revision"] else ", does not follow yet"
        lines.append(
            f"  gate {gate['name']} ({gate['id']}, {gate['version']}): {gate['state']}{follows}; "
            f"{gate['in_flight']} under way, {gate['waiting']} waiting; seen {gate['seen_at']}"
        )
    return lines
