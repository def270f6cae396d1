"""``headgate up``: MLflow and the gate together, for one user on one machine."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn
from urllib.parse import urlsplit

import typer
from rich.console import Console

from headgate import compose
from headgate.cli import address, first_key, streams
from headgate.cli.command import AsJson
from headgate.cli.embedded import EmbeddedServer, MLflowEndedError, probe_health
from headgate.cli.embedded_control import EmbeddedControl
from headgate.cli.folder import claim
from headgate.cli.log_options import LogFormatOption
from headgate.cli.output import tell
from headgate.cli.progress import waiting
from headgate.cli.secret_environment import take_environment
from headgate.cli.welcome import Welcome, program
from headgate.compose import Listening
from headgate.config import Config, LogFormat, load
from headgate.deploy.mlflow.hosts.up_files import read_wanted
from headgate.errors import HeadgateError

HOST = "127.0.0.1"
FIRST_PORT = 8080
PORT_VARIABLE = "HEADGATE_LISTEN__PORT"
LOG_LINES = 15
PROBE_TIMEOUT = 5.0
EXIT_MLFLOW_DIED = 1
EXIT_TERMINATED = 143  # 128 + SIGTERM


def up(
    mlflow: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Use the MLflow server at URL instead of starting one."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for all data.  [headgate-data]"),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(metavar="N", help="Port of the gate.  [8080, or the next free one]"),
    ] = None,
    log_format: LogFormatOption = None,
    mlflow_python: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Interpreter of the environment whose MLflow to run, until an upgrade chooses "
            "another.  [Headgate's own]",
        ),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Run MLflow with the gate in front of it, on this machine alone.

    With --log-format, the gate logs requests and events.  'headgate mlflow upgrade' changes the
    version of MLflow while this runs.
    """
    streams.open_all()
    environment = take_environment()
    config = configuration(environment, mlflow=mlflow, data=data, port=port, log_format=log_format)
    if log_format is not None:
        compose.start_event_log(config.log)
    with _sigterm_unwinds(), claim(config.data) as folder:
        for notice in notices(environment, config, mlflow=mlflow, port=port):
            _say(notice)
        if mlflow is not None:
            require_mlflow_at(mlflow)
            return run_gate(config, stops_mlflow=False, as_json=as_json)
        with embedded_mlflow(config, folder, mlflow_python) as control:
            return run_beside(control, config, as_json=as_json)


def configuration(
    environment: Mapping[str, str],
    *,
    mlflow: str | None,
    data: Path | None,
    port: int | None,
    log_format: LogFormat | None = None,
) -> Config:
    """The configuration of a gate for one machine; without ``mlflow``, for an embedded server.

    Raises:
        ConfigError: there are problems; it has all of them.
        HeadgateError: the requested port is in use, or no port is free.
    """
    port_is_given = port is not None or PORT_VARIABLE in environment
    config = load(
        None,
        environment,
        {
            "data": data,
            "listen.host": HOST,
            "listen.port": port if port_is_given else address.next_free_port(HOST, FIRST_PORT),
            "upstreams.default.url": mlflow or address.url(HOST, address.free_port(HOST)),
            # Access log lines would hide what this command prints.
            "log.access": None if log_format or "HEADGATE_LOG__ACCESS" in environment else False,
            "log.format": log_format,
        },
    )
    problem = address.bind_problem(HOST, config.listen.port)
    if problem is not None:
        raise HeadgateError(f"port {config.listen.port} {problem}; choose another with --port")
    return config


def notices(
    environment: Mapping[str, str], config: Config, *, mlflow: str | None, port: int | None
) -> list[str]:
    """Notices about choices that the user may not expect."""
    found = []
    chosen = config.listen.port
    if port is None and PORT_VARIABLE not in environment and chosen != FIRST_PORT:
        found.append(f"port {FIRST_PORT} is in use; using {chosen}")
    if mlflow is None and "MLFLOW_SERVER_URL" in environment:
        found.append(
            "starting an MLflow server; `headgate up` ignores MLFLOW_SERVER_URL, use --mlflow URL "
            "to use an existing server"
        )
    return found


def require_mlflow_at(url: str) -> None:
    """Check that a healthy MLflow server is at ``url``.

    Raises:
        HeadgateError: there is none; the message says what was found.
    """
    parts = urlsplit(url)
    problem = probe_health(parts.hostname or "", parts.port or 80, PROBE_TIMEOUT)
    if problem is not None:
        raise HeadgateError(
            f"no healthy MLflow at {url} ({problem}); start it, or omit --mlflow to start one"
        )


@contextlib.contextmanager
def embedded_mlflow(
    config: Config, folder: Path, python: Path | None = None
) -> Iterator[EmbeddedControl]:
    """Run an MLflow server during the block, which starts when the server is healthy.

    Args:
        config: the gate's.
        folder: the data folder.
        python: the interpreter whose MLflow to run; None: this one.

    Raises:
        HeadgateError: MLflow is not installed, exited, or was not healthy in time.
    """
    wanted = read_wanted(folder)
    if wanted is None and python is None and importlib.util.find_spec("mlflow") is None:
        raise HeadgateError(
            "MLflow is not installed in this environment: pip install 'headgate[mlflow]', or use "
            "an existing server with --mlflow URL"
        )
    if wanted is not None and python is not None and str(python.absolute()) != str(wanted.python):
        raise HeadgateError(
            f"an upgrade has chosen the MLflow of {wanted.place} for this data folder; change it "
            "with: headgate mlflow upgrade"
        )
    port = urlsplit(config.upstreams["default"].url).port or 0
    gate = address.url(HOST, config.listen.port)
    own = str(python.absolute()) if python is not None else sys.executable
    control = EmbeddedControl(folder, port, own, gate, _say)
    try:
        server = control.start()
        if server is None:
            _say(
                "MLflow stays stopped, since an upgrade was left half done: go on with headgate "
                "mlflow upgrade --continue, or go back with headgate mlflow rollback"
            )
        else:
            _wait_until_healthy(server)
        yield control
    finally:
        control.close()


def _wait_until_healthy(server: EmbeddedServer) -> None:
    try:
        with waiting(Console(stderr=True), "starting MLflow") as tick:
            server.wait_until_healthy(tick)
    except MLflowEndedError:
        _show_log(server)
        raise


def run_gate(config: Config, *, stops_mlflow: bool, as_json: bool = False) -> int:
    """Run the gate and print how to use it; return the exit code."""
    with first_key.ensure(config) as first:

        def announce(listening: Listening) -> None:
            welcome = Welcome(
                host=listening.host,
                port=listening.port,
                upstream=config.upstreams["default"].url,
                data=config.data,
                new_key=first.secret,
                old_keys=first.others,
                program=program(sys.argv[0], Path.cwd()),
                stops_mlflow=stops_mlflow,
            )
            print(welcome.document() if as_json else "\n".join(welcome.lines()), flush=True)
            first.was_shown = True

        return compose.serve(config, announce)


def run_beside(control: EmbeddedControl, config: Config, *, as_json: bool = False) -> int:
    """Run the gate while MLflow runs; return the exit code, 1 if MLflow exited."""
    died = threading.Event()

    def end() -> None:
        died.set()
        os.kill(os.getpid(), signal.SIGTERM)  # the gate drains, as for any other SIGTERM

    control.follow(end)
    try:
        code = run_gate(config, stops_mlflow=True, as_json=as_json)
    except SystemExit:  # SIGTERM came before the gate could drain
        if not died.is_set():
            raise
    if not died.is_set():
        _say("stopping MLflow")
        return code
    if control.server is not None:
        _show_log(control.server)
    _say(f"{control.ended}; the gate has stopped")
    return EXIT_MLFLOW_DIED


@contextlib.contextmanager
def _sigterm_unwinds() -> Iterator[None]:
    """Turn SIGTERM into an exception, so that all context managers clean up."""

    def leave(_signum: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(EXIT_TERMINATED)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _show_log(server: EmbeddedServer) -> None:
    for line in server.last_lines(LOG_LINES):
        print(f"  {line}", file=sys.stderr)


def _say(line: str) -> None:
    tell(f"headgate: {line}")
