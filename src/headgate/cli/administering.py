"""What the commands on principals and keys have in common: where these are, and options."""

# ruff: noqa: PLC0415 - `headgate --help` must not import what only a running command needs
from __future__ import annotations

import contextlib
import math
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headgate.cli.output import tell
from headgate.policy import Roles

if TYPE_CHECKING:
    from headgate.config import Config
    from headgate.identity import IdentityClient
    from headgate.stores.identity import IdentityStore

DataFolder = Annotated[
    Path | None,
    typer.Option("--data", metavar="FOLDER", help="Folder of the key store.  [headgate-data]"),
]
Url = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="Ask the gate there instead of the key store."),
]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_LONGEST = 100 * 365 * 86_400
NEVER = "never"


@contextlib.contextmanager
def administered(
    data: Path | None, config: Path | None, url: str | None, *, create: bool = False
) -> Iterator[IdentityClient]:
    """What a command works through, for as long as it runs.

    Args:
        data: the folder of the key store, if it was given.
        config: the configuration file, if it was given.
        url: of a gate that is to be asked instead.
        create: make a key store if there is none.

    Raises:
        HeadgateError: there is no key store, or no gate.
    """
    if url is not None:
        from headgate.cli import remote

        with remote.connect(url, os.environ) as client:
            yield client
        return
    from headgate.config import load
    from headgate.stores import open_identity_store

    settings = load(config, os.environ, {"data": data})
    with open_identity_store(settings, create=create) as store:
        if store.is_new:
            tell(
                f"headgate: created a new key store, {store.location}; if there was one before, "
                "its keys no longer work: restore a backup of it"
            )
        yield on_store(store, settings)


def on_store(store: IdentityStore, settings: Config) -> IdentityClient:
    """What works on a store, for the operator at its machine."""
    from headgate.identity import Actor, Administration, StoreClient

    roles = Roles(settings.roles)
    administration = Administration(store, roles, settings.auth.keys, time.time)
    return StoreClient(administration, Actor.operator("cli"))


def span(text: str) -> float:
    """Read ``90d`` and the like: seconds.

    Raises:
        typer.BadParameter: it is no time, or none at all.
    """
    seconds = _read(text)
    if not 0 < seconds <= _LONGEST:
        raise _bad(text)
    return seconds


def span_of_at_most(most: float, shown: str) -> Callable[[str], float]:
    """Reads what ``span`` does; more than ``most`` seconds, ``shown`` for people, is refused."""

    def read(text: str) -> float:
        seconds = span(text)
        if seconds > most:
            raise typer.BadParameter(f"'{text}' is more than {shown}")
        return seconds

    return read


def life(text: str) -> float:
    """Read ``90d`` and the like, or ``never``: seconds, or ``inf``.

    Raises:
        typer.BadParameter: it is neither.
    """
    return math.inf if text == NEVER else span(text)


def overlap(text: str) -> float:
    """Read ``12h`` and the like, or ``0s``: seconds.

    Raises:
        typer.BadParameter: it is no time.
    """
    seconds = _read(text)
    if not 0 <= seconds <= _LONGEST:
        raise _bad(text)
    return seconds


def end_in(seconds: float | None) -> float | None:
    """The time of an end that is so far away, in seconds since the epoch."""
    return None if seconds is None else time.time() + seconds


def _read(text: str) -> float:
    match = re.fullmatch(r"([0-9]{1,12})([smhdw])", text)
    return float(int(match[1]) * _UNITS[match[2]]) if match else -1.0


def _bad(text: str) -> typer.BadParameter:
    return typer.BadParameter(
        f"{text!r} is not a time such as 12h, 90d or 52w (units s, m, h, d, w; at most 100 years)"
    )
