"""``headgate check``: what is wrong with the configuration, or what it comes to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from headgate.cli import address
from headgate.config import AuthMode, Config, load

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar="HEADGATE_CONFIG",
        metavar="FILE",
        help="Configuration file (TOML).",
    ),
]


def check(config: ConfigFile = None) -> None:
    """List every problem of the configuration, or what it comes to."""
    for name, value in summary(load(config, os.environ)):
        print(f"{name:<11} {value}")


def summary(config: Config) -> list[tuple[str, str]]:
    """What a gate with this configuration would do, as names and values for a person."""
    listen = config.listen
    keys = config.auth.mode is AuthMode.KEYS
    where = address.url(listen.host, listen.port, "http" if listen.tls is None else "https")
    lines = [
        ("listen", f"{where}, {_count(listen.workers, 'worker')}"),
        ("clients", f"need a key of {config.key_database}" if keys else "pass without a key"),
    ]
    for name, upstream in config.upstreams.items():
        prefixes = " ".join(prefix or "/" for prefix in upstream.prefixes)
        lines.append(("upstream", f"{name}: {upstream.url}, reached under {prefixes}"))
    lines.append(("access log", "on standard output" if config.log.access else "off"))
    return lines


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
