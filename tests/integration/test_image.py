"""What the image does, run as a process: entry point, user, variables and volumes of its file.

Nothing here builds the image, since that needs a Docker daemon.  The compiled wheel and the
packages of the lock are installed as the file says, and run with a read-only root file system.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM

import pytest

import headgate
from tests.support.compiled_run import PATIENCE
from tests.support.debian import BUBBLEWRAP, require
from tests.support.dockerfile import Stage, isolated, stages
from tests.support.ports import free_port
from tests.support.processes import ServerProcess, clean_environment
from tests.support.raw import ask
from tests.support.recipes import blocks
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed
from tools import compiled

FILE = compiled.ROOT / "Dockerfile"
FINAL = stages(FILE)[-1]
SECONDS = 60.0
pytestmark = pytest.mark.timeout(2 * PATIENCE)


def tool(name: str) -> str:
    return str(Path(sysconfig.get_path("scripts"), name))


@pytest.fixture(scope="module")
def opt(compiled_gate: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is /opt/headgate in the image: the lock's packages, checked by hash, and the wheel."""
    if headgate.is_compiled():
        pytest.skip("is running on a compiled build")
    folder = tmp_path_factory.mktemp("opt") / "headgate"
    uv = [tool("uv"), "--quiet"]
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = ["--python", str(folder / "bin" / "python")]
    lock = str(compiled.ROOT / "requirements" / "serve.lock")
    for install in (
        ["pip", "sync", "--require-hashes", lock],
        ["pip", "install", "--no-deps", "--no-index", str(compiled.wheel(compiled_gate))],
    ):
        subprocess.run([*uv, *install[:2], *python, *install[2:]], check=True, timeout=PATIENCE)
    # As the file does: where nothing can be written, each process would compile them again.
    compiles = [str(folder / "bin/python"), "-m", "compileall", "-q"]
    modes = ["--invalidation-mode", "unchecked-hash"]
    subprocess.run([*compiles, *modes, str(folder / "lib")], check=True, timeout=PATIENCE)
    # Its programs name the folder in which they were installed.
    for each in (folder / "bin").iterdir():
        if each.is_file() and not each.is_symlink():
            text = each.read_bytes()
            each.write_bytes(text.replace(str(folder).encode(), b"/opt/headgate"))
    return folder


def _require_namespaces() -> None:
    """Skip the test where the kernel lets nobody make namespaces; in CI fail it."""
    command = [
        str(require(BUBBLEWRAP)),
        "--ro-bind",
        "/",
        "/",
        "--unshare-user",
        "--unshare-pid",
        "true",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = f"needs user namespaces, which are not to be had here: {done.stderr.strip()}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


@dataclass
class Container:
    """What stands for a container."""

    under: list[str]
    url: str
    port: int
    data: Path
    process: ServerProcess | None = None

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run another command in it."""
        return subprocess.run(
            [*self.under, *command],
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )


@pytest.fixture
def container(opt: Path, tmp_path: Path) -> Iterator[Container]:
    _require_namespaces()
    volumes = {
        place: tmp_path / place.strip("/").replace("/", "-") for place in FINAL.words("VOLUME")
    }
    for each in volumes.values():
        each.mkdir(mode=0o700)
    host, port, ops = "127.0.0.1", free_port(), free_port()
    with RecordingUpstream(fixed(b"{}")) as upstream:
        settings = {
            "MLFLOW_SERVER_URL": upstream.url,
            "HEADGATE_LISTEN__PORT": str(port),
            "HEADGATE_OPS__LISTEN": f"{host}:{ops}",
            "HEADGATE_LISTEN__LAME_DUCK": "0",
        }
        under = list(isolated(FINAL, opt, volumes, settings))
        data = volumes["/var/lib/headgate"]
        yield Container(under, f"http://{host}:{port}", port, data)


def test_the_gate_of_the_image(container: Container, tmp_path: Path) -> None:
    """It serves, is found healthy, has no capabilities, and drains on SIGTERM."""
    key = container.run(*FINAL.words("ENTRYPOINT"), "keys", "create", "me").stdout.split()[-1]
    assert container.run(*FINAL.health_check).returncode == 1  # nothing serves yet
    command = [*container.under, *FINAL.words("ENTRYPOINT"), *FINAL.words("CMD")]
    with ServerProcess(command, {}, tmp_path, "image") as process:
        process.wait_for_line(rf"listening on http://0\.0\.0\.0:{container.port}", SECONDS)

        def healthy() -> bool | None:
            return container.run(*FINAL.health_check).returncode == 0 or None

        process.wait_until(healthy, "the health check to pass", SECONDS)

        def response() -> bool | None:
            target, field = "/version", f"Authorization: Bearer {key}"
            return ask("127.0.0.1", container.port, "GET", target, field).status == 200 or None

        process.wait_until(response, "a response of MLflow's", SECONDS)
        gate = _gate_below(process.pid)
        status = Path(f"/proc/{gate}/status").read_text()
        assert "CapEff:\t0000000000000000" in status
        assert "CapBnd:\t0000000000000000" in status
        os.kill(gate, SIGTERM)
        assert process.wait(SECONDS) == 0
    assert container.run(*FINAL.health_check).returncode == 1
    assert (container.data / "keys.sqlite").exists()


def _gate_below(pid: int) -> int:
    """The supervisor of the gate: the only process whose parent is no gate."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    command = Path(f"/proc/{pid}/cmdline").read_bytes()
    return pid if not command.startswith(b"bwrap") else _gate_below(int(children[0]))


@pytest.mark.parametrize("place", ["/opt/headgate/x", "/opt/x", "/x", "/etc/x", "/var/lib/x"])
def test_nothing_can_be_written_beside_the_volumes(container: Container, place: str) -> None:
    done = container.run("python3", "-c", f"open({place!r}, 'w')")
    assert done.returncode == 1
    assert "Read-only file system" in done.stderr or "Permission denied" in done.stderr


def test_the_volumes_can_be_written_and_the_user_is_not_root(container: Container) -> None:
    code = (
        "import os, tempfile; open('/var/lib/headgate/x', 'w'); tempfile.mkdtemp(); "
        "print(os.getuid(), os.getgid(), os.getcwd(), tempfile.gettempdir())"
    )
    done = container.run("python3", "-c", code)
    uid, gid = FINAL.user
    assert uid != 0
    assert done.stdout == f"{uid} {gid} {FINAL.last('WORKDIR')} /tmp\n", done.stderr


def test_every_extra_is_there_and_the_hot_path_is_compiled(container: Container) -> None:
    assert container.run("headgate", "--version").stdout.endswith("(compiled)\n")
    modules = "boto3, psycopg, joserfc, httpx2, opentelemetry.proto.trace.v1.trace_pb2"
    done = container.run("python3", "-c", f"import {modules}, sys; print(sys.prefix)")
    assert done.stdout == "/opt/headgate\n", done.stderr
    assert container.run("python3", "-c", "import mlflow").returncode == 1


# --- the file itself ---------------------------------------------------------------------------


def test_the_file_has_nothing_to_object_to() -> None:
    for file in (FILE, compiled.ROOT / "deploy" / "compose" / "mlflow" / "Dockerfile"):
        done = subprocess.run(
            [tool("hadolint"), "--config", compiled.ROOT / ".hadolint.yaml", file],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, "")


def test_hadolint_would_say_so(tmp_path: Path) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text("FROM debian:latest\nCMD headgate serve\n")
    done = subprocess.run([tool("hadolint"), file], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "DL3007" in done.stdout
    assert "DL3025" in done.stdout


def test_base_images_have_no_default_and_the_last_stage_no_compiler() -> None:
    text = FILE.read_text(encoding="utf-8")
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == ["${BUILD_IMAGE}", "${PYTHON_IMAGE}"]
    assert "\nARG PYTHON_IMAGE\nARG BUILD_IMAGE\n" in text
    built = [text for name, text in FINAL.instructions if name in ("RUN", "ADD")]
    assert built == ['["headgate", "--version"]']
    assert FINAL.last("EXPOSE") == "8080 9464"
    assert FINAL.last("STOPSIGNAL") == "SIGTERM"


def test_what_is_copied_is_let_through_and_no_secret_is() -> None:
    """Each file that the build of a wheel reads; ``.dockerignore`` shuts out all others."""
    lines = (compiled.ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    assert not [each for each in allowed if not (compiled.ROOT / each).exists()]
    assert {"src", "pyproject.toml", "hatch_build.py", "README.md", "LICENSE"} <= allowed
    assert {"tools/compile.py", "tools/sbom.py", "deploy/observability"} <= allowed
    copied = re.findall(r"^COPY (requirements/.+) requirements/$", FILE.read_text(), re.MULTILINE)
    assert set(copied[0].split()) <= allowed
    assert not allowed & {".git", ".", "tests", "headgate-data"}


@pytest.mark.parametrize("lock", ["serve", "build"])
def test_the_lock_is_of_these_requirements(lock: str, tmp_path: Path) -> None:
    """Resolved again with the lock as it is, nothing changes: it has all, and no more."""
    source = "pyproject.toml" if lock == "serve" else "requirements/build.in"
    extras = [f"--extra={each}" for each in ("aws", "postgresql", "jwt", "otel")]
    made = tmp_path / "made.lock"
    written = compiled.ROOT / "requirements" / f"{lock}.lock"
    made.write_bytes(written.read_bytes())
    command = [tool("uv"), "pip", "compile", "-q", "--universal", "--python-version", "3.11"]
    command += ["--generate-hashes", "--no-header", "--no-annotate", source, "-o", str(made)]
    subprocess.run(
        [*command, *(extras if lock == "serve" else [])], cwd=compiled.ROOT, check=True, timeout=300
    )
    assert _pins(made) == _pins(written)


@pytest.mark.long
def test_the_commands_of_the_page_install_a_gate(compiled_gate: Path, tmp_path: Path) -> None:
    """With pip, into a new environment, as ``run-in-a-container`` shows it."""
    commands = blocks("run-in-a-container", "sh")[-1]
    assert "--require-hashes" in commands
    made = commands.replace("/opt/headgate", str(tmp_path / "headgate"))
    made = made.replace("dist/headgate-*-linux_x86_64.whl", str(compiled.wheel(compiled_gate)))
    made = made.replace("python3 -m venv", f"{sys.executable} -m venv")
    subprocess.run(["sh", "-euc", made], cwd=compiled.ROOT, check=True, timeout=PATIENCE)
    program = tmp_path / "headgate" / "bin" / "headgate"
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("(compiled)\n")


def _pins(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", lock.read_text(), re.MULTILINE))


def test_a_stage_is_read_as_docker_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text(
        "FROM a AS b\nRUN x\nFROM c\n# comment\nENV A=1 \\\n    B='two words'\nENV A=3\n"
        'USER 7:8\nHEALTHCHECK --interval=1s CMD ["x", "y"]\nCMD ["z"]\n'
    )
    first, last = stages(file)
    assert (first.base, first.instructions) == ("a AS b", [("RUN", "x")])
    assert last.environment == {"A": "3", "B": "two words"}
    assert (last.user, last.health_check, last.words("CMD")) == ((7, 8), ["x", "y"], ["z"])
    with pytest.raises(json.JSONDecodeError):
        Stage("a", [("CMD", "in shell form")]).words("CMD")
