"""The units for systemd: valid, hardened, and what they start serves.

systemd is not what runs here: its own checks look at the files, and the command of the service is
run as a process with the unit's environment.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from headgate.config import load
from headgate.runtime.supervisor import STUCK_SECONDS
from tests.support.activator import Notified, activated, listening_socket
from tests.support.debian import SYSTEMD, require
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
EXPOSURE = 15
"""Tenths: the most that ``systemd-analyze security`` may find; 100 is a unit without any limits."""


def lines(name: str, key: str) -> list[str]:
    """Every value of a key, which a unit may have several times."""
    text = (UNITS / name).read_text(encoding="utf-8")
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    require(SYSTEMD)
    for each in UNITS.iterdir():
        text = each.read_text(encoding="utf-8")
        # The programs are not installed here, and this machine's systemd may be older than 253.
        text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE)
        text = text.replace("Type=notify-reload", "Type=notify")
        (tmp_path / each.name).write_text(text)
    files = [str(each) for each in sorted(tmp_path.iterdir())]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *files],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [each for each in done.stderr.splitlines() if str(tmp_path) in each]
    assert ours == []
    assert "headgate" not in done.stderr


@pytest.mark.parametrize("unit", ["headgate.service"])
def test_the_service_is_hardened(unit: str) -> None:
    require(SYSTEMD)
    done = subprocess.run(
        [
            "systemd-analyze",
            "security",
            "--offline=true",
            f"--threshold={EXPOSURE}",
            str(UNITS / unit),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]


def test_the_times_of_the_unit_fit_those_of_the_gate() -> None:
    listen = load(None, {}).listen
    stop, watchdog = (
        float(lines("headgate.service", key)[0]) for key in ("TimeoutStopSec", "WatchdogSec")
    )
    assert stop >= listen.lame_duck + listen.drain_timeout + 15
    assert watchdog > max(STUCK_SECONDS, listen.worker_timeout)


def test_what_the_unit_starts_serves_on_its_sockets(tmp_path: Path) -> None:
    (command,) = lines("headgate.service", "ExecStart")
    program, *arguments = shlex.split(command)
    assert program.endswith("/bin/headgate")
    config = tmp_path / "headgate.toml"
    config.write_text("[limits]\nconnections = 100\n")
    arguments = [each.replace("/etc/headgate", str(tmp_path)) for each in arguments]
    environment = dict(each.split("=", 1) for each in lines("headgate.service", "Environment"))
    environment["HEADGATE_DATA"] = str(tmp_path / "data")
    clients, operators = (
        lines(name, "FileDescriptorName")[0] for name in ("headgate.socket", "headgate-ops.socket")
    )
    notified = Notified()
    with (
        RecordingUpstream(fixed(b"{}")) as upstream,
        listening_socket() as for_clients,
        listening_socket() as for_operators,
    ):
        environment |= {"MLFLOW_SERVER_URL": upstream.url, "NOTIFY_SOCKET": notified.address}
        with activated(
            [sys.executable, "-m", "headgate", *arguments],
            {clients: for_clients, operators: for_operators},
            environment,
            tmp_path,
        ) as gate:
            notified.wait_for(lambda message: "READY" in message)
            gate.wait_for_line(f":{for_clients.getsockname()[1]},", 10)
            gate.wait_for_line(f"metrics on http://127.0.0.1:{for_operators.getsockname()[1]}", 10)
    notified.close()
