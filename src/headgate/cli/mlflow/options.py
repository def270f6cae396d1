"""The options of ``headgate mlflow``, and what they name."""

from __future__ import annotations

import os
import re
import shlex
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from headgate.cli import client_tls
from headgate.cli.deploy_verifying import verified
from headgate.cli.deploy_views import View
from headgate.cli.interrupts import Interrupts
from headgate.cli.mlflow.ecs_host import (
    DEFAULT_CONTAINER,
    EcsAsked,
    EcsCluster,
    EcsContainer,
    EcsRegion,
    EcsRunning,
    EcsService,
    ecs_host,
)
from headgate.cli.mlflow.gate_parking import GateParking
from headgate.cli.verifier import Order as VerifyOrder
from headgate.cli.verify import key_to_send, size_of, tracking_url, user_name
from headgate.deploy.clock import Clock, SystemClock
from headgate.deploy.mlflow.databases.opening import database_of
from headgate.deploy.mlflow.errors import HostError, NoSuchVersionError
from headgate.deploy.mlflow.folder import LocalFolder
from headgate.deploy.mlflow.hosts.embedded import DATABASE, EmbeddedHost
from headgate.deploy.mlflow.hosts.systemd import SystemdHost
from headgate.deploy.mlflow.interpreter import identify
from headgate.deploy.mlflow.seams import Host
from headgate.deploy.mlflow.site import Limits, Site
from headgate.deploy.outcome import Verification, Verify
from headgate.deploy.phases import Phases
from headgate.errors import HeadgateError

DATABASE_VARIABLE: Final = "MLFLOW_BACKEND_STORE_URI"
VERIFY_VARIABLE: Final = "HEADGATE_VERIFY_KEY"
_DURATION: Final = re.compile(r"(\d+)(s|m|min|h)?")
_UNITS: Final = {None: 1, "s": 1, "m": 60, "min": 60, "h": 3600}
_RESPONDS_SECONDS: Final = 30.0
_POLL: Final = 0.5


def duration_of(text: str) -> float:
    """Read ``240``, ``4m`` and the like, in seconds."""
    found = _DURATION.fullmatch(text.strip())
    if found is None or int(found[1]) == 0:
        raise typer.BadParameter(f"{text!r} is not a time such as 240s, 4m or 1h")
    return float(int(found[1]) * _UNITS[found[2]])


Url = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="The tracking URI that you give to clients.  Its key comes from the environment, as "
        "for 'headgate verify', and needs administer:gate.  [with --data: that gate]",
    ),
]
Upstream = Annotated[str, typer.Option(metavar="NAME", help="The upstream to park.")]
Data = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="MLflow is that of 'headgate up' with this data folder."),
]
Unit = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="MLflow is this unit of systemd on this machine."),
]
Current = Annotated[
    Path | None,
    typer.Option(
        metavar="LINK",
        help="With --unit: the symbolic link to the environment in use, such as "
        "/srv/mlflow/current; those of all versions are beside it.",
    ),
]
MlflowUrl = Annotated[
    str | None,
    typer.Option(metavar="URL", help="With --unit: MLflow's own address, past every gate."),
]
DatabaseFile = Annotated[
    Path | None,
    typer.Option(
        "--database-url-file",
        metavar="FILE",
        help="File with the URL of MLflow's database.  [MLFLOW_BACKEND_STORE_URI; with --data: "
        "not needed]",
    ),
]
State = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Folder of the journal and the snapshots, of its own for each MLflow.  [with --data: "
        "DIR/upgrades; else $XDG_STATE_HOME/headgate/mlflow/NAME]",
    ),
]
PgBin = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder of pg_dump, pg_restore and psql of the server's."),
]
Maximum = Annotated[
    float,
    typer.Option(
        "--max",
        parser=duration_of,
        metavar="TIME",
        help="Longest time from the park to a verified new version.",
    ),
]
VerifyPython = Annotated[
    Path | None,
    typer.Option(
        "--python", metavar="FILE", help="Interpreter that verifies: with MLflow's client."
    ),
]
VerifySize = Annotated[
    int,
    typer.Option(
        "--verify-size", parser=size_of, metavar="SIZE", help="Size of the large artifact."
    ),
]
_TO: Final = typer.Option(
    "--to", metavar="VERSION", help="Such as 3.17.2, or the folder of its environment."
)
To = Annotated[str, _TO]
MaybeTo = Annotated[str | None, _TO]
SnapshotBy = Annotated[
    Literal["file", "external"],
    typer.Option(
        "--snapshot",
        help="'file': made and restored by this command; 'external': by you, such as a snapshot of "
        "RDS, when the command asks for it.",
    ),
]
DEFAULT_MAXIMUM: Final = "4m"
DEFAULT_SIZE: Final = "4MiB"


@dataclass(frozen=True)
class Place:
    """The options that name an MLflow and the folder of its journal."""

    data: Data = None
    unit: Unit = None
    cluster: EcsCluster = None
    service: EcsService = None
    state: State = None

    @property
    def folder(self) -> LocalFolder:
        """The folder of the journal.

        Raises:
            HeadgateError: no option names it.
        """
        return LocalFolder(state_of(self.data, self.unit or self._service, self.state))

    @property
    def _service(self) -> str | None:
        return None if self.cluster is None else f"{self.cluster}-{self.service or ''}"


@dataclass(frozen=True)
class Asked(Place):
    """The options of all that reaches MLflow, its database and its gates."""

    url: Url = None
    upstream: Upstream = "default"
    current: Current = None
    mlflow_url: MlflowUrl = None
    database_file: DatabaseFile = None
    container: EcsContainer = DEFAULT_CONTAINER
    region: EcsRegion = None
    running: EcsRunning = ""
    maximum: Maximum = DEFAULT_MAXIMUM  # type: ignore[assignment]  # the parser reads it
    pg_bin: PgBin = None

    @property
    def ecs(self) -> EcsAsked:
        """Those for a service of ECS."""
        names = ("cluster", "service", "container", "region", "running")
        return EcsAsked(*(getattr(self, name) for name in names))

    @property
    def limits(self) -> Limits:
        """How long is waited: a longer time in all is one for a slow start as well."""
        usual = Limits()
        return Limits(maximum=self.maximum, start=max(usual.start, self.maximum))


@dataclass(frozen=True)
class Changes(Asked):
    """The options of what changes MLflow, and verifies it."""

    python: VerifyPython = None
    verify_size: VerifySize = DEFAULT_SIZE  # type: ignore[assignment]


def site_of(asked: Asked, view: View, interrupts: Interrupts) -> Site:
    """What the engines work with.

    Raises:
        HeadgateError: an option is missing, or names nothing.
    """
    clock = SystemClock()
    host, database_url, url = _host(asked, clock)
    folder = None if asked.data is None else asked.data.absolute()
    database = database_of(database_url, folder, asked.pg_bin)
    if url.startswith("https:"):
        client_tls.context(os.environ)
    key, _auth = key_to_send(os.environ)
    own_key = os.environ.get(VERIFY_VARIABLE, "").strip()
    parking = GateParking(url, asked.upstream, key, own_key, os.environ, clock)
    who = f"{os.environ.get('USER') or os.getuid()}@{socket.gethostname()} (process {os.getpid()})"
    return Site(
        host,
        database,
        parking,
        asked.folder,
        interrupts,
        clock,
        view,
        Phases(clock, view),
        _verify(asked, parking, url, host, clock),
        who,
        asked.upstream,
        _command(asked),
    )


def _host(asked: Asked, clock: Clock) -> tuple[Host, str, str]:
    """The host, the URL of its database, and the address of the gate."""
    if sum(each is not None for each in (asked.data, asked.unit, asked.ecs.cluster)) != 1:
        raise HeadgateError(
            "name MLflow's host: either --data DIR, or --unit NAME, or --cluster CLUSTER"
        )
    if asked.ecs.cluster is not None:
        if asked.url is None:
            raise HeadgateError("--cluster needs --url URL as well")
        database_url = database_url_of(asked.database_file)
        return ecs_host(asked.ecs, clock), database_url, tracking_url(asked.url)
    if asked.data is not None:
        embedded = EmbeddedHost(asked.data, clock)
        return embedded, DATABASE, tracking_url(asked.url) if asked.url else embedded.gate()
    if asked.current is None or asked.mlflow_url is None or asked.url is None:
        raise HeadgateError("--unit needs --current LINK, --mlflow-url URL and --url URL as well")
    database_url = database_url_of(asked.database_file)
    link = asked.current.absolute()
    unit = SystemdHost(asked.unit or "", link, _plain(asked.mlflow_url), database_url)
    return unit, database_url, tracking_url(asked.url)


def database_url_of(file: Path | None) -> str:
    """The URL of MLflow's database, which is in no command line.

    Raises:
        HeadgateError: there is none.
    """
    if file is None:
        found = os.environ.get(DATABASE_VARIABLE, "").strip()
    else:
        try:
            found = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise HeadgateError(f"--database-url-file {file} cannot be read: {error}") from None
    if not found:
        raise HeadgateError(
            f"set {DATABASE_VARIABLE} to the URL of MLflow's database, as MLflow has it, or name a "
            "file that has it with --database-url-file"
        )
    return found


def _plain(url: str) -> str:
    return tracking_url(url).rstrip("/")


def state_of(data: Path | None, name: str | None, state: Path | None) -> Path:
    """The folder of the journal; ``name`` is that of the unit, or of the service.

    Raises:
        HeadgateError: no option names it.
    """
    if state is not None:
        return state
    if data is not None:
        return data / "upgrades"
    if name is None:
        raise HeadgateError(
            "name the folder of the journal: --state DIR, --data DIR, --unit NAME, or --cluster "
            "CLUSTER with --service SERVICE"
        )
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local/state")
    return Path(base) / "headgate/mlflow" / name


def _verify(asked: Asked, parking: GateParking, url: str, host: Host, clock: Clock) -> Verify:
    """``headgate verify``, once the gate has noticed that MLflow responds."""
    python = asked.python if isinstance(asked, Changes) else None
    size = asked.verify_size if isinstance(asked, Changes) else 0

    def verify() -> Verification:
        deadline = clock.monotonic() + _RESPONDS_SECONDS
        while problem := parking.problem_of_mlflow():
            if clock.monotonic() >= deadline:
                return Verification(False, problem)
            clock.sleep(_POLL)
        return verified(
            VerifyOrder(
                python=str(python or _python_with_mlflow(host, asked.ecs)),
                url=url,
                key=parking.secret,
                auth="bearer",
                username=user_name(os.environ),
                size=size,
                keep=False,
            )
        )

    return verify


def _python_with_mlflow(host: Host, ecs: EcsAsked) -> Path:
    """Headgate's own interpreter if it has MLflow, else that of the MLflow in use here."""
    own = Path(sys.executable)
    try:
        identify(own)
    except NoSuchVersionError:
        if ecs.cluster is not None:
            return own
        try:
            place = Path(host.current().place)
        except HostError:
            return own
        return place / "bin/python" if place.is_dir() else place
    return own


_REPEATED: Final = (
    *("url", "upstream", "data", "unit", "current", "mlflow_url", "database_file", "state"),
    *("pg_bin", "python"),
)
_NAMES: Final = {"database_file": "database-url-file"}


def _command(asked: Asked) -> Callable[[str], str]:
    def command(what: str) -> str:
        options = []
        for name in _REPEATED:
            value = getattr(asked, name, None)
            if value is not None and (name, value) != ("upstream", "default"):
                option = _NAMES.get(name, name.replace("_", "-"))
                options.append(f"--{option} {shlex.quote(str(value))}")
        options += [f"--{name} {shlex.quote(value)}" for name, value in asked.ecs.repeated]
        return " ".join(("headgate mlflow", what, *options))

    return command
