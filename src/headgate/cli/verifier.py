"""Starts the verification process, reads its events, and stops it."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, Any

from headgate.errors import HeadgateError

_PACKAGE = "headgate_verify"
_KEY_VARIABLE = "HEADGATE_API_KEY"
_INSTALL = "-m pip install 'headgate[mlflow]'"
_REMOVAL_SECONDS = 60
_TAIL_BYTES = 4096
_TAIL_LINES = 5
_SHORTEST_SECRET = 8  # shorter texts can occur in any message
_STOPPING = b"headgate: stopping after cleaning up MLflow (again: stop immediately)\n"

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Order:
    """What to verify, and how.  ``size`` is in bytes."""

    python: str
    url: str
    key: str
    auth: str
    username: str
    size: int
    keep: bool

    def command(self) -> list[str]:
        """The command line, without the key: other users can read the arguments of a process."""
        return [
            # -P: do not import modules from the working folder.
            *(self.python, "-P", "-m", _PACKAGE),
            *("--url", self.url, "--auth", self.auth, "--username", self.username),
            *("--size", str(self.size)),
            *(["--keep"] if self.keep else []),
        ]


class Verifier:
    """The running process."""

    def __init__(self, order: Order, process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
        self._order = order
        self._process = process
        self._errors = errors
        self._interrupts = 0

    def events(self) -> Iterator[Event]:
        """The events of the process, until it exits.

        Raises:
            HeadgateError: the interpreter cannot run the verification.
        """
        begun = False
        for line in self._process.stdout or ():
            event = self._event(line)
            if event["event"] == "unusable":
                raise HeadgateError(f"{event['message']}; run: {self._order.python} {_INSTALL}")
            begun = True
            yield event
        if not begun and not self._interrupts:
            self._process.wait()
            raise self._unfit(self._last_lines())

    def _event(self, line: bytes) -> Event:
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if not isinstance(event, dict) or "event" not in event:
            raise self._unfit("it printed something other than events")
        return event

    def _unfit(self, why: str) -> HeadgateError:
        python = self._order.python
        return HeadgateError(
            f"{python} cannot run the verification, which needs Python 3.11 or newer and: "
            f"{python} {_INSTALL} ({why})"
        )

    def why_it_ended(self) -> str:
        """The reason for an end without a summary."""
        if self._interrupts > 1:
            return "stopped immediately, on request"
        return f"the program exited with {self._process.wait()}: {self._last_lines()}"

    def interrupt(self) -> None:
        """Ask the process to clean up and stop; the second time, kill it."""
        self._interrupts += 1
        if self._interrupts == 1:
            self._process.send_signal(signal.SIGINT)
        else:
            self._process.kill()

    def end(self) -> None:
        """Stop the process, with time for its cleanup."""
        if self._process.stdout is not None:
            self._process.stdout.close()  # the process stops when it cannot write
        if self._process.poll() is None:
            self.interrupt()
        try:
            self._process.wait(_REMOVAL_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _last_lines(self) -> str:
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, self._errors.tell() - _TAIL_BYTES))
        text = self._errors.read().decode(errors="replace")
        if len(self._order.key) >= _SHORTEST_SECRET:
            text = text.replace(self._order.key, "[key]")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return " / ".join(lines[-_TAIL_LINES:]) or "it printed nothing"


@contextmanager
def verifying(order: Order) -> Iterator[Verifier]:
    """Run the verification until the block ends.

    Meanwhile Ctrl-C and SIGTERM are forwarded to it, so that it can remove what it created in
    MLflow first.

    Raises:
        HeadgateError: the process cannot be started.
    """
    with tempfile.TemporaryDirectory(prefix="headgate-verify-") as name, _error_file() as errors:
        verifier = Verifier(order, _start(order, Path(name), errors), errors)
        with _signals_to(verifier):
            try:
                yield verifier
            finally:
                verifier.end()


def _start(order: Order, folder: Path, errors: IO[bytes]) -> subprocess.Popen[bytes]:
    # An interpreter of another environment has no headgate, so link this package into its path.
    (folder / _PACKAGE).symlink_to(_package_folder())
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    environment = os.environ | {
        _KEY_VARIABLE: order.key,
        "PYTHONPATH": path,
        "TMPDIR": str(folder),  # its large files are removed even if it is killed
    }
    try:
        return subprocess.Popen(  # noqa: S603 - the operator chooses the interpreter
            order.command(),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            process_group=0,  # Ctrl-C in a terminal reaches it only through `interrupt`
        )
    except OSError as error:
        raise HeadgateError(
            f"cannot start {order.python}: {error.strerror}; "
            "choose a Python interpreter with --python"
        ) from None


def _package_folder() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise HeadgateError(f"the package {_PACKAGE} is missing; install headgate again")
    return Path(spec.origin).parent


def _error_file() -> IO[bytes]:
    return tempfile.TemporaryFile(prefix="headgate-verify-")


@contextmanager
def _signals_to(verifier: Verifier) -> Iterator[None]:
    def forward(_number: int, _frame: FrameType | None) -> None:
        os.write(2, _STOPPING)  # safe if the signal interrupts a print
        verifier.interrupt()

    former = {number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
