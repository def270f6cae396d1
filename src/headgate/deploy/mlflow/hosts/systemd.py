"""MLflow as a unit of systemd, whose version is a symbolic link.

The unit starts ``CURRENT/bin/mlflow``, where CURRENT is a link to the environment of one version;
those of all versions are beside it, each in a folder that is named by its version::

    /srv/mlflow/3.14.0/bin/python
    /srv/mlflow/3.17.2/bin/python
    /srv/mlflow/current -> 3.14.0
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from headgate.deploy.mlflow import durable
from headgate.deploy.mlflow.errors import HostError
from headgate.deploy.mlflow.hosts.environments import Environments, python_of
from headgate.deploy.mlflow.hosts.local_processes import family_of, not_of
from headgate.deploy.mlflow.hosts.responding import problem_of
from headgate.deploy.mlflow.interpreter import migrate
from headgate.deploy.mlflow.records import Standing, Version, Writer

SECONDS: Final = 120.0
"""For one command of ``systemctl``; it waits for the unit to stop."""
RESTARTS: Final = 3
"""So many restarts by systemd: the version does not start."""
_PROPERTIES: Final = "ActiveState,SubState,Result,MainPID,ControlGroup,NRestarts,LoadState"
_GROUPS: Final = Path("/sys/fs/cgroup")


class SystemdHost:
    """``Host`` for one unit.

    Args:
        unit: its name.
        link: the symbolic link to the environment in use.
        url: MLflow's own address, past every gate.
        database_url: of its database, with the password.
        systemctl: the program.
    """

    def __init__(
        self, unit: str, link: Path, url: str, database_url: str, systemctl: str = "systemctl"
    ) -> None:
        self._unit = unit
        self._link = link
        self._url = url
        self._database_url = database_url
        self._systemctl = systemctl
        self._environments = Environments(link.parent)

    def name(self) -> str:
        """See ``Host``."""
        return f"systemd unit '{self._unit}'"

    def current(self) -> Version:
        """See ``Host``."""
        return self._environments.find(str(self._place()))

    def _place(self) -> Path:
        try:
            target = Path(os.readlink(self._link))
        except OSError as error:
            raise HostError(
                f"{self._link} is to be the symbolic link to the environment that the unit uses, "
                f"and cannot be read: {error.strerror}; make it, and let ExecStart begin with "
                f"{self._link}/bin/mlflow"
            ) from None
        return Path(os.path.normpath(self._link.parent.absolute() / target))

    def find(self, wanted: str) -> Version:
        """See ``Host``."""
        return self._environments.find(wanted)

    def obstacles(self) -> Sequence[str]:
        """See ``Host``."""
        return ()

    def revisions(self, version: Version) -> Sequence[str]:
        """See ``Host``."""
        return self._environments.revisions(version)

    def look(self) -> Standing:
        """See ``Host``."""
        found = self._show()
        place = self._place()
        state = found.get("ActiveState", "")
        count = len(self._pids(found))
        if state not in {"inactive", "failed"}:
            count = max(1, count)
        note = f"the unit is {state} ({found.get('SubState', '')}, {found.get('Result', '')})"
        failed = state == "failed" or _number(found, "NRestarts") >= RESTARTS
        if state != "active" or failed:
            return Standing(str(place), count, healthy=False, failed=failed, note=note)
        problem = problem_of(self._url, self._environments.find(str(place)).number)
        return Standing(str(place), count, not problem, note=problem)

    def stop(self) -> None:
        """See ``Host``."""
        self._do("stop", self._unit)

    def start(self, version: Version) -> None:
        """See ``Host``."""
        if self._place() != Path(version.place):
            if self._show().get("ActiveState") in {"active", "activating", "reloading"}:
                self.stop()
            self._switch(Path(version.place))
        with contextlib.suppress(HostError):  # it has failed before, or it has not
            self._do("reset-failed", self._unit)
        self._do("start", self._unit)

    def _switch(self, place: Path) -> None:
        """Let the link point to another environment, on the disk when this returns."""
        folder = self._link.parent
        target = place.name if place.parent == folder.absolute() else str(place)
        partial = self._link.with_name(f"{self._link.name}.new")
        try:
            partial.unlink(missing_ok=True)
            partial.symlink_to(target)
            partial.replace(self._link)
            durable.sync(folder)
        except OSError as error:
            raise HostError(f"{self._link} cannot be changed: {error.strerror}") from None

    def others(self, writers: Sequence[Writer]) -> Sequence[Writer]:
        """See ``Host``."""
        return not_of(self._pids(self._show()), writers)

    def migrate(self, version: Version, limit: float) -> str:
        """See ``Host``."""
        folder = Path(version.place)
        return migrate(python_of(version), version, self._database_url, limit, folder)

    def _pids(self, found: Mapping[str, str]) -> set[int]:
        """The processes of the unit."""
        group = found.get("ControlGroup", "").lstrip("/")
        with contextlib.suppress(OSError, ValueError):
            if group:
                text = (_GROUPS / group / "cgroup.procs").read_text(encoding="ascii")
                return set(map(int, text.split()))
        main = _number(found, "MainPID")
        return family_of(main) if main else set()

    def _show(self) -> Mapping[str, str]:
        said = self._do("show", self._unit, f"--property={_PROPERTIES}")
        found = dict(line.partition("=")[::2] for line in said.splitlines())
        if found.get("LoadState") == "not-found":
            raise HostError(f"systemd has no unit '{self._unit}'")
        return found

    def _do(self, *arguments: str) -> str:
        try:
            done = subprocess.run(  # noqa: S603 - the operator names the unit
                [self._systemctl, *arguments],
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # the signals of the terminal are for this command alone
            )
        except FileNotFoundError:
            raise HostError(f"there is no {self._systemctl} on this machine") from None
        except subprocess.TimeoutExpired:
            raise HostError(
                f"'systemctl {' '.join(arguments)}' did not end in {SECONDS:.0f} s",
                retryable=True,
            ) from None
        except OSError as error:
            raise HostError(f"{self._systemctl} cannot be run: {error.strerror}") from None
        if done.returncode != 0:
            said = " ".join(done.stderr.split())
            raise HostError(
                f"'systemctl {' '.join(arguments)}' failed: {said or 'it says nothing'}"
            )
        return done.stdout


def _number(found: Mapping[str, str], name: str) -> int:
    value = found.get(name, "")
    return int(value) if value.isdigit() else 0
