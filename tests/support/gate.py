"""A real gate: ``headgate serve`` as a process of its own, on a free port, with its key store."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headgate.policy.roles import DEFAULT_ROLES
from tests.support.keys import make_key, revoke_key
from tests.support.processes import ServerProcess
from tests.support.raw import RawClient, RawResponse, ask

START_SECONDS = 60.0
LOG_SECONDS = 10.0
OPS_LISTENER = {"HEADGATE_OPS__LISTEN": "127.0.0.1:0"}
"""Settings of a gate with an operators' listener."""
EVENT_SECONDS = 30.0


@dataclass(frozen=True)
class Gate:
    """A running gate: where it listens, its process, and the folder of its data."""

    host: str
    port: int
    data: Path
    process: ServerProcess
    scheme: str = "http"

    @property
    def url(self) -> str:
        """The public address, without a prefix."""
        return f"{self.scheme}://{self.host}:{self.port}"

    def create_key(self, name: str, roles: Sequence[str] = DEFAULT_ROLES) -> str:
        """Make a key as ``headgate keys create`` does and return its secret.

        The gate learns of it at its next look, within 2 seconds.
        """
        return create_key(self.data, name, roles)

    def revoke_key(self, name: str) -> None:
        """Revoke the key ``name``; the gate learns of it within 2 seconds."""
        revoke_key(self.data, name)

    def connect(self) -> RawClient:
        """Open a raw connection to the gate."""
        return RawClient(self.host, self.port)

    def ask(
        self, method: str, target: str, *fields: str, key: str | None = None, body: bytes = b""
    ) -> RawResponse:
        """Send one request on a connection of its own, ``key`` as its Bearer token if given."""
        if key is not None:
            fields = (*fields, bearer(key))
        return ask(self.host, self.port, method, target, *fields, body=body)

    @property
    def ops(self) -> tuple[str, int]:
        """Host and port of the operators' listener; it is off unless the environment has one."""
        line = self.process.wait_for_line(
            r"health and metrics on http://\[?([^\s\]]+)\]?:(\d+)", START_SECONDS
        )
        return line[1], int(line[2])

    def ask_ops(
        self, target: str, *fields: str, method: str = "GET", called: str | None = None
    ) -> RawResponse:
        """Send one request to the operators' listener, on a connection of its own.

        ``called`` is what ``Host`` says, if not the address.
        """
        return ask(*self.ops, method, target, *fields, called=called)

    def outcome(self, matches: Callable[[Mapping[str, Any]], bool]) -> Mapping[str, Any]:
        """Wait for an access-log line that ``matches``, and return the first."""
        return self.process.wait_until(
            lambda: next(filter(matches, self.outcomes()), None), "an outcome", LOG_SECONDS
        )

    def events(self) -> list[Mapping[str, Any]]:
        """Every event logged so far, in order."""
        lines = self.process.errors.read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(each) for each in lines if each[:1] == "{" and each.endswith("\n")]

    def event(self, name: str, count: int = 1) -> Mapping[str, Any]:
        """Wait for ``count`` events of that name, and return the last of them."""

        def found() -> Mapping[str, Any] | None:
            named = [each for each in self.events() if each["event"] == name]
            return named[count - 1] if len(named) >= count else None

        return self.process.wait_until(found, f"{count} events {name}", EVENT_SECONDS)

    def outcomes(self) -> list[Mapping[str, Any]]:
        """Every access-log line written so far, in order."""
        lines = self.process.output.read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]


@contextmanager
def running_gate(
    folder: Path,
    upstream: str | None,
    environment: Mapping[str, str | None] | None = None,
    program: str = "headgate",
    under: Sequence[str] = (),
) -> Iterator[Gate]:
    """Run a gate in front of ``upstream`` until the block ends.

    Without ``upstream``, what ``environment`` leads to must name one.

    ``folder`` gets its data and logs; keys made there with ``create_key`` before the start are
    known from the first request on.  ``environment`` adds settings, such as
    ``HEADGATE_LIMITS__BODY_TIMEOUT``.  ``program`` is the module to run, ``under`` a command
    that is to run it, such as valgrind, which may take its time.  There is no operators' listener
    unless ``environment`` has ``OPS_LISTENER``; a setting that is ``None`` there is left out.

    Raises:
        ServerError: when it does not say within ``START_SECONDS`` where it listens.
    """
    data = folder / "data"
    settings: dict[str, str | None] = {
        "HEADGATE_DATA": str(data),
        "HEADGATE_LISTEN__PORT": "0",
        "HEADGATE_OPS__LISTEN": "",
        "HEADGATE_LISTEN__LAME_DUCK": "0",  # no balancer watches, so that stopping takes no time
        # What a recording upstream counts is what clients sent.
        "HEADGATE_UPSTREAMS__DEFAULT__PROBES__INTERVAL": "0",
    }
    if upstream is not None:
        settings["MLFLOW_SERVER_URL"] = upstream
    command = [*under, sys.executable, "-m", program, "serve"]
    seconds = START_SECONDS * (10 if under else 1)
    wanted = settings | dict(environment or {})
    given = {name: value for name, value in wanted.items() if value is not None}
    with ServerProcess(command, given, folder, "gate") as process:
        line = process.wait_for_line(r"listening on (https?)://([\d.]+):(\d+)", seconds)
        yield Gate(line[2], int(line[3]), data, process, line[1])


def bearer(key: str) -> str:
    """The header field that presents ``key`` as a Bearer token."""
    return f"Authorization: Bearer {key}"


def create_key(data: Path, name: str, roles: Sequence[str] = DEFAULT_ROLES) -> str:
    """Make a key in the store of the folder ``data``, which need not exist; return its secret."""
    return make_key(data, name, roles)


def _database(data: Path) -> Path:
    return data / "keys.sqlite"
