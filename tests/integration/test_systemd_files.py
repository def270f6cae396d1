"""The units for systemd: valid, hardened, and what they start serves.

systemd is not what runs here: its own checks look at the files, and the command of the service is
run as a process with the unit's environment.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from headgate.config import load
from headgate.runtime.worker_health import STUCK_SECONDS
from tests.support import recipes
from tests.support.activator import Notified, activated, listening_socket
from tests.support.certificates import Authority
from tests.support.debian import SYSTEMD, require
from tests.support.gate import bearer, running_gate
from tests.support.raw import request_head
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed
from tests.support.tls_client import TlsClient, client_context

PAGE = "run-on-a-vm"
UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
EXPOSURE = 15
"""Tenths: the most that ``systemd-analyze security`` may find; 100 is a unit without any limits."""


def lines(name: str, key: str) -> list[str]:
    """Every value of a key, which a unit may have several times."""
    text = (UNITS / name).read_text(encoding="utf-8")
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


def verified(folder: Path, drop_ins: Mapping[str, str] = MappingProxyType({})) -> str:
    """What ``systemd-analyze`` says of the units, with drop-ins by their names."""
    require(SYSTEMD)
    for each in UNITS.iterdir():
        text = each.read_text(encoding="utf-8")
        # The programs are not installed here, and this machine's systemd may be older than 253.
        text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE)
        (folder / each.name).write_text(text.replace("Type=notify-reload", "Type=notify"))
    files = sorted(map(str, folder.iterdir()))
    for name, text in drop_ins.items():
        (folder / name).parent.mkdir()
        (folder / name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *files],
        capture_output=True,
        text=True,
        check=False,
        env={"SYSTEMD_UNIT_PATH": f"{folder}:", "PATH": "/usr/bin:/bin"},
    )
    return "".join(
        f"{line}\n"
        for line in done.stderr.splitlines()
        if str(folder) in line or "headgate" in line
    )


def test_the_units_that_the_page_enables_are_those_that_it_copies() -> None:
    commands = "".join(recipes.blocks(PAGE, "sh"))
    (enabled,) = re.findall(r"^systemctl enable --now (.+)$", commands, re.MULTILINE)
    copied = re.findall(r"^cp deploy/systemd/(\S+) /etc/systemd/system/$", commands, re.MULTILINE)
    units = {unit.name for each in copied for unit in UNITS.glob(each)}
    assert {*enabled.split()} == units == {each.name for each in UNITS.iterdir()}


def test_every_program_of_a_unit_is_where_the_page_puts_it() -> None:
    commands = "".join(recipes.blocks(PAGE, "sh"))
    for unit in ("headgate.service", "mlflow.service"):
        (program,) = re.findall(r"^(/opt/\w+/current)/bin/", "\n".join(lines(unit, "ExecStart")))
        assert re.search(rf"^ln -sfn \S+ {program}$", commands, re.MULTILINE)


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    assert verified(tmp_path) == ""


def test_systemd_accepts_the_drop_ins_of_the_page(tmp_path: Path) -> None:
    service, port = recipes.blocks(PAGE, "ini")
    (tmp_path / "good").mkdir()
    drop_ins = {"headgate.service.d/tls.conf": service, "headgate.socket.d/port.conf": port}
    assert verified(tmp_path / "good", drop_ins) == ""
    (tmp_path / "bad").mkdir()
    assert "port.conf" in verified(
        tmp_path / "bad", {"headgate.socket.d/port.conf": port.replace("443", "no port")}
    )


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


def test_the_page_leads_to_a_gate_with_tls_and_a_first_key(tmp_path: Path) -> None:
    """As systemd would start it: the drop-in's environment, with its credentials in a folder."""
    authority = Authority(tmp_path, "authority")
    issued = authority.issue("gate", "127.0.0.1")
    handed_over = {"fullchain.pem": issued.certificate, "privkey.pem": issued.key}
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    drop_in = recipes.blocks(PAGE, "ini")[0]
    for name, file in re.findall(r"^LoadCredential=(\S+?):\S+/(\S+)$", drop_in, re.MULTILINE):
        (credentials / name).write_bytes(handed_over[file].read_bytes())
    environment = dict(
        each.replace("%d", str(credentials)).split("=", 1)
        for each in re.findall(r"^Environment=(.*)$", drop_in, re.MULTILINE)
    )
    (config,) = recipes.blocks(PAGE, "toml")
    file = tmp_path / "headgate.toml"
    key, digest = made_key(tmp_path)
    with RecordingUpstream(fixed(b"served")) as upstream:
        file.write_text(config.replace("http://127.0.0.1:5000", upstream.url))
        environment |= {
            "HEADGATE_CONFIG": str(file),
            "HEADGATE_AUTH__FIRST_KEY_SHA256": digest,
        }
        with (
            running_gate(tmp_path, None, environment) as gate,
            TlsClient(gate.host, gate.port, client_context(authority)) as client,
        ):
            client.send(request_head("GET", "/version", bearer(key)))
            assert client.response().body == b"served"


def made_key(folder: Path) -> tuple[str, str]:
    """The first key and its digest, made by the commands of the page."""
    commands = next(each for each in recipes.blocks(PAGE, "sh") if "keys make" in each)
    commands = commands.replace("headgate ", f"{sys.executable} -m headgate ")
    subprocess.run(["sh", "-euc", commands], cwd=folder, check=True)
    key, digest = (folder / name for name in ("first-key", "first-key.sha256"))
    assert key.stat().st_mode & 0o077 == 0
    return key.read_text().strip(), digest.read_text().strip()


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
