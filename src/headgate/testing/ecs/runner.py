"""Starts the containers of a task as processes."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ADDRESS = "{address}"
"""Stands for the task's address in commands, environments and secrets: tasks share this machine's
network, and have addresses of 127.0.0.0/8 in it."""
FOLDER = "{folder}"
"""Stands for the task's folder, which has the place of what a container may write to."""
KEPT = ("PATH", "LANG", "LC_", "TZ", "LD_", "PYTHON", "VIRTUAL_ENV", "COVERAGE", "SSL_")
"""How the names of those variables of this process begin that a container has, too: no setting."""
MARK = "ECS_STAND_IN_CONTAINER"
"""A variable that every process of a container has, whatever session it is in, to be found by."""
BOOT_SECONDS = 300.0
"""Real seconds that a container has until it listens; what ECS checks begins then."""
POLL_SECONDS = 0.02
CHECK_SECONDS = 10.0
KILL_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Image:
    """What an image is here: a program.

    Attributes:
        command: its entry point; a container's ``command`` is appended.
        arguments: what is appended where no ``command`` is given.
        programs: what the names of programs mean in it, in entry points and health checks.
        environment: what it sets, below what the container sets.
        port: what it listens on once it is up, unless the container maps a port; None for one that
            never listens.  The model does not wait for that, nor for other programs than its own.
        listen: variables that count more than the container's: those that make it listen on the
            task's address alone, where the container's definition does not say ``ADDRESS``.
    """

    command: Sequence[str]
    programs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int | None = 8080
    listen: Mapping[str, str] = field(default_factory=dict)
    arguments: Sequence[str] = ()

    def has(self, program: str) -> bool:
        """Whether a program is the image's own, and not one that every image has."""
        return program in self.programs or program == self.command[0]

    def resolved(self, command: Sequence[str]) -> list[str]:
        """A command line with its program as it is here."""
        first, *others = command
        return [*self.programs.get(first, (first,)), *others]


class Container:
    """A container of a task: a process in a group of its own, and what it starts."""

    def __init__(
        self,
        definition: Mapping[str, Any],
        image: Image,
        address: str,
        secret: Callable[[str], str],
        folder: Path,
        command: Sequence[str] | None = None,
    ) -> None:
        self.name: str = definition["name"]
        self.essential: bool = definition.get("essential", True)
        self.stop_timeout: float | None = definition.get("stopTimeout")
        self._definition = definition
        self._image = image
        self._address = address
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._mark = f"{folder}/{self.name}"
        self._environment = self._variables(secret) | {MARK: self._mark}
        ports = [each["containerPort"] for each in definition.get("portMappings", ())]
        entry = definition.get("entryPoint") or image.command
        listens = image.port is not None and command is None and image.has(entry[0])
        self._port: int | None = [*ports, image.port][0] if listens else None
        arguments = command or definition.get("command") or image.arguments
        self.log = folder / f"{self.name}.log"
        self._started = time.monotonic()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - a test's own images
                self._line([*entry, *arguments]),
                env=self._environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def exit_code(self) -> int | None:
        """The exit code, 137 for one that was killed; None while it runs."""
        code = self._process.poll()
        return code if code is None or code >= 0 else 128 - code

    def has_begun(self) -> bool:
        """Whether it accepts connections, or will not: it has ended, or had its time."""
        if self._port is None or self._process.poll() is not None:
            return True
        with contextlib.suppress(OSError):
            socket.create_connection((self._address, self._port), 1).close()
            return True
        return time.monotonic() >= self._started + BOOT_SECONDS

    def wait_until_it_has_begun(self) -> None:
        """Wait in real time."""
        while not self.has_begun():
            self.wait(POLL_SECONDS)

    def check(self) -> bool | None:
        """Run its health check for real; None if it has none."""
        test = self._definition.get("healthCheck", {}).get("command")
        if not test or test[0] == "NONE":
            return None
        command = ["/bin/sh", "-c", test[1]] if test[0] == "CMD-SHELL" else list(test[1:])
        try:
            done = subprocess.run(  # noqa: S603 - a test's own images
                self._line(command),
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=CHECK_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        return done.returncode == 0

    def terminate(self) -> None:
        """Send SIGTERM to the entry point."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def wait(self, seconds: float) -> None:
        """Give it this real time to end."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)

    def kill(self) -> None:
        """Kill it with all that it has started, as a container ends with its first process."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(KILL_SECONDS)
        self.end()

    def end(self) -> None:
        """Kill what has outlived its first process."""
        mark = f"{MARK}={self._mark}".encode()
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    os.kill(int(folder.name), signal.SIGKILL)

    def _line(self, command: Sequence[str]) -> list[str]:
        return [self._here(each) for each in self._image.resolved(command)]

    def _here(self, text: str) -> str:
        return text.replace(ADDRESS, self._address).replace(FOLDER, str(self._folder))

    def _variables(self, secret: Callable[[str], str]) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name.startswith(KEPT)}
        given = {each["name"]: each["value"] for each in self._definition.get("environment", ())}
        hidden = {
            each["name"]: self._here(secret(each["valueFrom"]))
            for each in self._definition.get("secrets", ())
        }
        shown = dict(self._image.environment) | given | dict(self._image.listen)
        said = {name: self._here(value) for name, value in shown.items()}
        return (
            kept | said | {name: hidden[name] for name in hidden if name not in self._image.listen}
        )
