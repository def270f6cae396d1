"""``headgate serve``: the gate in production, in front of an existing MLflow."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from headgate import compose
from headgate.cli import address, streams
from headgate.cli.check import warnings
from headgate.cli.command import ConfigFile
from headgate.cli.log_options import LogFormatOption
from headgate.cli.output import tell
from headgate.cli.secret_environment import take_environment
from headgate.compose import ConfigSource, Listening, start_event_log
from headgate.config import AuthMode, Config, LogFormat, load
from headgate.errors import ConfigError, HeadgateError, Problem
from headgate.identity import Actor, Administration, KeyFilter
from headgate.policy import Roles
from headgate.runtime.activation import Inherited
from headgate.runtime.service_manager import ServiceManager
from headgate.stores import identity_store_location, open_identity_store
from headgate.stores.identity import StoreUnreachableError


def serve(
    config: ConfigFile = None,
    listen: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Address to listen on.  [127.0.0.1:8080]"),
    ] = None,
    mlflow: Annotated[
        str | None,
        typer.Option(metavar="URL", help="MLflow's address; also MLFLOW_SERVER_URL."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Worker processes that share the port.  [1]")
    ] = None,
    log_format: LogFormatOption = None,
    take_over: Annotated[
        bool,
        typer.Option(
            "--take-over",
            help="Take the place of the gate that runs at this address with the same data folder.",
        ),
    ] = False,
) -> int:
    """Run the gate in front of an existing MLflow server."""
    streams.open_all()
    manager = ServiceManager.from_environment(os.environ)
    inherited = Inherited.from_environment(os.environ)
    given = inherited.settings()
    if take_over and given:
        raise HeadgateError(
            "--take-over needs the sockets of the running gate, and the service manager passes "
            "others: restart the service instead, its sockets wait meanwhile"
        )
    environment = take_environment()

    def read() -> Config:
        return configuration(
            config,
            environment,
            listen=listen,
            mlflow=mlflow,
            workers=workers,
            log_format=log_format,
            given=given,
        )

    settings = read()
    for notice in notices(settings):
        _say(notice)

    def announce(listening: Listening) -> None:
        if listening.ops is not None:
            _say(f"health and metrics on {address.url(*listening.ops)}")
        where = address.url(listening.host, listening.port, listening.scheme)
        _say(f"listening on {where}, MLflow at {settings.upstreams['default'].url}")

    start_event_log(settings.log)
    return compose.serve(
        settings,
        announce,
        ConfigSource(read, config),
        inherited,
        manager,
        take_over=take_over,
        hands_over=True,
    )


def configuration(
    file: Path | None,
    environment: Mapping[str, str],
    *,
    listen: str | None,
    mlflow: str | None,
    workers: int | None,
    log_format: LogFormat | None = None,
    given: Mapping[str, str | int] | None = None,
) -> Config:
    """The configuration with the options of the command line on top.

    ``given``: settings that nothing overrides, such as the address of a socket that is open.

    Raises:
        ConfigError: there are problems; it has all of them, including a malformed ``listen``.
    """
    problems: list[Problem] = []
    host = port = None
    if listen is not None:
        if (parts := address.split(listen)) is None:
            problems.append(Problem("--listen", f"{listen!r} is not HOST:PORT"))
        else:
            host, port = parts
    overrides = {
        "listen.host": host,
        "listen.port": port,
        "listen.workers": workers,
        "upstreams.default.url": mlflow,
        "log.format": log_format,
        **(given or {}),
    }
    try:
        settings = load(file, environment, overrides)
    except ConfigError as error:
        raise ConfigError([*problems, *error.problems]) from None
    if problems:
        raise ConfigError(problems)
    return settings


def notices(config: Config) -> list[str]:
    """Notices for the operator: a default address, missing keys, warnings.

    Raises:
        HeadgateError: the key store cannot be opened.
    """
    found = []
    upstream = config.upstreams["default"]
    if "upstreams" not in config.model_fields_set or "url" not in upstream.model_fields_set:
        found.append(
            f"no MLflow address is configured; using {upstream.url} (set MLFLOW_SERVER_URL)"
        )
    only_keys = config.auth.mode is AuthMode.KEYS and not config.auth.issuers
    # A new store takes the first key of the configuration when the gate starts.
    if only_keys and config.auth.first_key is None:
        found += _about_keys(config)
    return found + warnings(config)


def _about_keys(config: Config) -> list[str]:
    where = identity_store_location(config)
    try:
        if _has_valid_key(config):
            return []
    except StoreUnreachableError as error:
        return [f"{error}; until {where} can be reached, requests with keys get 503"]
    create = f"headgate keys create NAME --data {shlex.quote(str(config.data))}"
    why = "has no valid key, so the gate will refuse all requests"
    return [f"{where} {why}; create one with: {create}"]


def _has_valid_key(config: Config) -> bool:
    """Whether a key is accepted; of a hundred thousand the first one is enough."""
    operator, wanted, after = Actor.operator("serve"), KeyFilter(state="active"), None
    with open_identity_store(config) as store:
        keys = Administration(store, Roles(config.roles), config.auth.keys, time.time)
        while not (page := keys.key_page(operator, wanted, after=after, limit=1)).keys:
            if page.following is None:
                return False
            after = page.following
    return True


def _say(line: str) -> None:
    tell(f"headgate: {line}")
