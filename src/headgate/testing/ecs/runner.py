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

BOOT_SECONDS = 30.0
"""Real seconds for which the model stands still until a container listens."""
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
        port: what it listens on once it is up; None for one that never listens, for which the
            model does not wait.
        listen: the variables that make it listen on the task's address alone, with ``{address}``:
            tasks share this machine's network, and have addresses of 127.0.0.0/8 in it.
    """

    command: Sequence[str]
    programs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int | None = 8080
    listen: Mapping[str, str] = field(default_factory=dict)
    arguments: Sequence[str] = ()

    def resolved(self, command: Sequence[str]) -> list[str]:
        """A command line with its program as it is here."""
        first, *others = command
        return [*self.programs.get(first, (first,)), *others]


class Container:
    """A container of a task: a process in a group of its own."""

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
        self._environment = self._variables(secret)
        self._listens = image.port is not None and command is None
        entry = definition.get("entryPoint") or image.command
        arguments = command or definition.get("command") or image.arguments
        self.log = folder / f"{self.name}.log"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - a test's own images
                image.resolved([*entry, *arguments]),
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

    def wait_until_it_listens(self) -> None:
        """Wait in real time until it accepts connections, ends, or ``BOOT_SECONDS`` pass."""
        if self._image.port is None or not self._listens:
            return
        end = time.monotonic() + BOOT_SECONDS
        while time.monotonic() < end and self._process.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection((self._address, self._image.port), 1).close()
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(POLL_SECONDS)

    def check(self) -> bool | None:
        """Run its health check for real; None if it has none."""
        test = self._definition.get("healthCheck", {}).get("command")
        if not test or test[0] == "NONE":
            return None
        command = ["/bin/sh", "-c", test[1]] if test[0] == "CMD-SHELL" else list(test[1:])
        try:
            done = subprocess.run(  # noqa: S603 - a test's own images
                self._image.resolved(command),
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
        """Kill it with all its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(KILL_SECONDS)

    def _variables(self, secret: Callable[[str], str]) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HEADGATE_", "MLFLOW_", "AWS_"))
        }
        given = {each["name"]: each["value"] for each in self._definition.get("environment", ())}
        hidden = {
            each["name"]: secret(each["valueFrom"]) for each in self._definition.get("secrets", ())
        }
        listen = {
            name: value.format(address=self._address, folder=self._folder)
            for name, value in self._image.listen.items()
        }
        return kept | dict(self._image.environment) | given | hidden | listen
