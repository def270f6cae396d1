"""What the commands about maintenance have in common: they ask, and wait until all gates follow."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer

from headgate.cli.administering import span
from headgate.cli.gate_api import GateApi
from headgate.cli.output import document, tell
from headgate.errors import HeadgateError

TRACKING_URI: Final = "MLFLOW_TRACKING_URI"
ACK_SECONDS: Final = 15.0
DRAIN_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.3
EXIT_UNDONE: Final = 1
"""It was begun and did not come about, so it was taken back."""

Url = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help=f"Address of the gate.  [the one of {TRACKING_URI}]"),
]
UpstreamName = Annotated[str, typer.Option("--upstream", metavar="NAME", help="Which upstream.")]
Sentence = Annotated[
    str, typer.Option("--sentence", metavar="TEXT", help="Why, for clients and other operators.")
]
AckTimeout = Annotated[
    float | None,
    typer.Option(
        "--ack-timeout",
        metavar="TIME",
        parser=span,
        help="How long to wait until every gate follows.  [15s]",
    ),
]
DrainTimeout = Annotated[
    float | None,
    typer.Option(
        "--drain-timeout",
        metavar="TIME",
        parser=span,
        help="How long requests under way may take from then on.  [1m]",
    ),
]
Shown = Mapping[str, Any]
"""An upstream as the API shows it."""


class UndoneError(Exception):
    """It did not come about; the message says why, in a clause, and what to do."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds.

    Attributes:
        acknowledged: until every gate follows.
        drained: for requests under way, from then on.
    """

    acknowledged: float = ACK_SECONDS
    drained: float = DRAIN_SECONDS

    @classmethod
    def of(cls, acknowledged: float | None, drained: float | None) -> Patience:
        """What was given on the command line, or what is usual."""
        return cls(
            ACK_SECONDS if acknowledged is None else acknowledged,
            DRAIN_SECONDS if drained is None else drained,
        )


class UpstreamApi:
    """One upstream, through the admin API of a gate.

    Args:
        api: of the gate.
        name: of the upstream.
    """

    def __init__(self, api: GateApi, name: str) -> None:
        self._api = api
        self.name = name

    @classmethod
    def at(cls, url: str | None, name: str) -> UpstreamApi:
        """The upstream at the gate that a person names.

        Raises:
            HeadgateError: none was named, or there is no key.
        """
        return cls(gate_api(url), name)

    def look(self) -> Shown:
        """How it stands now.

        Raises:
            HeadgateError: the gate cannot be asked, or has no such upstream.
        """
        return self._api.ask("GET", self._path())

    def ask(self, what: str, body: Mapping[str, object]) -> Shown:
        """How it stands after something was asked.

        Raises:
            HeadgateError: the gate cannot be asked, or does not do it.
        """
        return self._api.ask("POST", f"{self._path()}/{what}", body)

    def who(self) -> str:
        """The name of the principal whose key it is.

        Raises:
            HeadgateError: the gate cannot be asked.
        """
        return str(self._api.ask("GET", "me")["principal"])

    def _path(self) -> str:
        return f"upstreams/{self.name}"


def gate_api(url: str | None) -> GateApi:
    """The admin API of the gate that a person names.

    Raises:
        HeadgateError: none was named, or there is no key.
    """
    address = url or os.environ.get(TRACKING_URI)
    if not address:
        raise HeadgateError(f"which gate? name it with --url, or set {TRACKING_URI}")
    return GateApi.of(address, os.environ)


@contextlib.contextmanager
def interruptible() -> Iterator[threading.Event]:
    """While it lasts, the signals that end a command set an event instead.

    So none of them falls between asking for something and knowing that it was asked.
    """
    event = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(each, lambda _number, _frame: event.set()) for each in signals]
    try:
        yield event
    finally:
        for each, handler in zip(signals, before, strict=True):
            signal.signal(each, handler)


def wait(
    upstream: UpstreamApi,
    is_done: Callable[[Shown], bool],
    is_lost: Callable[[Shown], bool],
    patience: Patience,
    interrupted: threading.Event,
    clock: Callable[[], float] = time.monotonic,
) -> Shown:
    """Look again and again until it is done.

    Args:
        upstream: which.
        is_done: whether it is so.
        is_lost: whether what was asked is not asked any more.
        patience: how long to wait.
        interrupted: set when a person does not want to wait any longer.
        clock: seconds from an arbitrary start.

    Raises:
        UndoneError: it is not, and that is not waited for any longer.
    """
    began, acknowledged_at = clock(), math.inf
    shown: Shown | None = None
    trouble = ""
    while True:
        try:
            shown = upstream.look()
        except HeadgateError as error:  # it may be restarted just now
            trouble = str(error)
        else:
            trouble = ""
            if is_lost(shown):
                raise UndoneError("somebody has ended it meanwhile, or its time was over")
            if is_done(shown):
                return shown
            if not shown["acknowledged"]:
                acknowledged_at = math.inf
            elif acknowledged_at == math.inf:
                acknowledged_at = clock()
        now = clock()
        if acknowledged_at == math.inf and now - began >= patience.acknowledged:
            raise UndoneError(trouble or _unacknowledged(shown or {}, patience.acknowledged))
        if now - acknowledged_at >= patience.drained:
            raise UndoneError(trouble or _under_way(shown or {}, patience.drained))
        if interrupted.wait(LOOK_SECONDS):
            raise UndoneError("interrupted")


def report_undone(line: str, *, as_json: bool, **content: object) -> int:
    """Say what did not come about, and with ``--json`` how things stand; the exit code."""
    tell(f"headgate: {line}")
    if as_json:
        print(document(content, ok=False, errors=[line]))
    return EXIT_UNDONE


@dataclass(frozen=True, slots=True)
class Ending:
    """What is said of an upstream of which something is no longer asked, in clauses.

    Attributes:
        member: what is asked of it, as the API shows it.
        absent: it was not asked.
        begun: it is not asked any more.
        done: every gate has acknowledged that.
    """

    member: str
    absent: str
    begun: str
    done: str


def end(
    api: UpstreamApi,
    what: str,
    body: Mapping[str, object],
    ending: Ending,
    ack_timeout: float | None,
    *,
    as_json: bool,
) -> int:
    """Ask for something of an upstream no longer, and wait until every gate follows.

    Args:
        api: the upstream.
        what: ends it.
        body: says more of it.
        ending: what is said then.
        ack_timeout: for how many seconds to wait.
        as_json: whether to print JSON.

    Returns:
        The exit code.
    """
    with interruptible() as interrupted:
        before = api.look()
        shown = api.ask(what, body)
        try:
            shown = wait(
                api,
                lambda each: bool(each["acknowledged"]),
                lambda _: False,
                Patience.of(ack_timeout, None),
                interrupted,
            )
        except UndoneError as error:
            line = f"upstream {api.name} {ending.begun}, but not at every gate: {error}"
            return report_undone(line, as_json=as_json, upstream=shown)
    if as_json:
        print(document({"upstream": shown}))
    else:
        said = ending.absent if before[ending.member] is None else ending.done
        print(f"upstream {api.name} {said}")
    return 0


def _unacknowledged(shown: Shown, seconds: float) -> str:
    gates: Sequence[Shown] = shown.get("gates", [])
    behind = [
        each for each in gates if each["state"] == "missing" or each["revision"] < shown["revision"]
    ]
    if not behind:
        return f"no gate has acknowledged it within {seconds:g} s"
    names = ", ".join(f"{each['name']} ({each['id']})" for each in behind)
    gone = next((each["id"] for each in behind if each["state"] == "missing"), behind[0]["id"])
    return (
        f"gate {names} has not acknowledged it within {seconds:g} s; if it is gone, remove it with "
        f"'headgate gates remove {gone}', and if not, see its event log"
    )


def _under_way(shown: Shown, seconds: float) -> str:
    busy = [each for each in shown.get("gates", []) if each["in_flight"]]
    names = ", ".join(f"{each['in_flight']} at gate {each['name']}" for each in busy)
    return (
        f"requests are still under way at MLflow after {seconds:g} s: {names}; wait for them with "
        "a longer --drain-timeout, or try again when there is less to do"
    )
