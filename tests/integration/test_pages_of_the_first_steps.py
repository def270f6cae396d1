"""The tutorial, and the pages on keys, verification and an MLflow that runs: run as written."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.gate import OPS_LISTENER, Gate, running_gate
from tests.support.messages_of_pages import shows
from tests.support.mlflow_server import MlflowServer
from tests.support.nginx import nginx_program
from tests.support.page_scripts import code, finished, run
from tests.support.ports import free_port
from tests.support.processes import ServerProcess
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed

TUTORIAL = "tutorial/first-gate.md"
KEYS = "how-to/manage-keys.md"
EXISTING = "how-to/run-in-front-of-an-existing-mlflow.md"
VERIFY = "how-to/verify-a-deployment.md"
_VARIES = re.compile(
    r"\b[kp]_[0-9A-Za-z]{8}\b|\b20\d\d-\d\d-\d\d(?:T[\d:]+Z)?|\b[0-9a-f]{24,}\b|\d+\.\d+ s"
    r"|MLflow 3\.\d+\.\d+, Python [\d.]+|127\.0\.0\.1:\d+"
    r"|(?<=/experiments/)\d+|\b[a-z]+-[a-z]+-\d+\b"
)
"""What an example shows and the next run has otherwise."""


def stable(line: str) -> str:
    """A line of an example, ``…`` for what differs."""
    return re.sub(r"\[.*omitted.*\]", "…", _VARIES.sub("…", line))


def shown(text: str, output: str) -> None:
    """Check that the lines of an example are printed, in any order."""
    for line in text.splitlines():
        assert shows(stable(line), output), f"{line}\nis not in\n{output}"


def test_the_tutorial(gate: Gate, key: str, tmp_path: Path) -> None:
    settings = {"MLFLOW_TRACKING_URI": gate.url, "MLFLOW_TRACKING_TOKEN": key}
    printed = ""
    for name, heading in (("train.py", "3. Register a model"), ("use.py", "4. Use the model")):
        (program,) = code(TUTORIAL, "python", heading)
        (tmp_path / name).write_text(program, encoding="utf-8")
        done = finished(name, tmp_path, sys.executable, **settings)
        assert done.returncode == 0, done.stderr
        printed += done.stdout + done.stderr
        (example,) = code(TUTORIAL, "console", heading)
        shown(example.partition("\n")[2], printed)
    (refused,) = code(TUTORIAL, "console", "6. See a refusal")
    command, *lines = refused.splitlines()
    done = finished(command.removeprefix("$ ").replace(".venv/bin/", ""), tmp_path, **settings)
    assert done.stderr.splitlines()[-1:] == lines


CLIENT = re.compile(r'"client": ?"127\.0\.0\.2"')
BEFORE = {
    "Create a key": "your-secret-store() { cat > sent; }",
    "Narrow a key": "",
    "Give a person or program several keys": "",
    "List the keys": "headgate keys create first --role admin",
    "Rotate a key": "headgate keys create ci --role writer --expires-in 90d",
    "Revoke a key": "headgate keys create ada",
    "Bring keys along": (
        "KEY=$(headgate keys make); headgate keys make > key-file; headgate principals create ada"
    ),
    "Get in in an emergency": "",
}
"""What must be there before the commands below a heading."""


@pytest.mark.parametrize("heading", BEFORE)
def test_the_commands_on_keys(heading: str, tmp_path: Path) -> None:
    """Each heading with a key store of its own; what is printed is what the page shows."""
    digests = (hashlib.sha256(b"%d" % number).hexdigest() for number in itertools.count())
    scripts = code(KEYS, "sh", heading)
    examples = code(KEYS, "console", heading)
    commands = [each.splitlines()[0].removeprefix("$ ") for each in examples]
    script = "\n".join([BEFORE[heading], *commands, *scripts])
    if heading == "Bring keys along":  # one folder for both blocks, which both have a key `ci`
        first, second = (_with_digests(each, digests) for each in scripts)
        script = f"{BEFORE[heading]}\n{first}\nHEADGATE_DATA=$PWD/other; export HEADGATE_DATA\n"
        script += f"headgate principals create ada\n{second}"
    done = finished(script, tmp_path, HEADGATE_DATA=str(tmp_path / "data"))
    assert done.returncode == 0, done.stdout + done.stderr
    if heading != "List the keys":  # the columns follow the width of the terminal
        for example in examples:
            shown(example.partition("\n")[2], done.stdout + done.stderr)


def test_the_roles_of_a_key_are_changed(tmp_path: Path) -> None:
    (example,) = code("how-to/grant-permissions.md", "console", "Change the roles of a key")
    command, _, printed = example.partition("\n")
    script = f"headgate keys create training --role writer\n{command.removeprefix('$ ')}"
    done = finished(script, tmp_path, HEADGATE_DATA=str(tmp_path / "data"))
    shown(printed, done.stdout + done.stderr)


def _with_digests(script: str, digests: Iterator[str]) -> str:
    """The lines of JSON with digests of keys in the place of ``…``, and times that do not pass."""
    script = re.sub('"expires_at": "20..', '"expires_at": "2099', script)
    return re.sub('"sha256": "…"', lambda _: f'"sha256": "{next(digests)}"', script)


def test_every_heading_with_commands_on_keys_is_tried() -> None:
    page = (Path(__file__).parents[2] / "docs" / KEYS).read_text("utf-8")
    headings = re.findall(r"^## (.+)$", page, re.MULTILINE)
    assert {each for each in headings if code(KEYS, "sh", each) + code(KEYS, "console", each)} == {
        *BEFORE
    }


def test_what_verification_prints_for_a_wrong_key(gate: Gate, key: str, tmp_path: Path) -> None:
    """In lines, and as JSON."""
    example = code(VERIFY, "console", "Read the result")[0]
    wanted = {"HEADGATE_API_KEY": key[:-3]}
    url = f"{gate.url}/mlflow"
    done = finished(f"headgate verify --url {url}", tmp_path, **wanted)
    assert done.returncode == 1
    shown(example.partition("\n")[2], done.stdout + done.stderr)
    (sample,) = code(VERIFY, "json", "Run it in a pipeline")
    done = finished(f"headgate verify --url {url} --json", tmp_path, **wanted)
    step, *_ = json.loads(done.stdout)["steps"]
    assert step.keys() == json.loads(sample).keys()
    assert step["failure"].keys() == json.loads(sample)["failure"].keys()


def test_the_check_of_an_existing_mlflow(tmp_path: Path) -> None:
    (example,) = code(EXISTING, "console", "Run the gate")
    lines = example.splitlines()
    after = lines.index("$ headgate check") + 1
    script = "\n".join(each.removeprefix("$ ") for each in lines[:after])
    assert run(script, tmp_path).splitlines() == lines[after : after + 4]


@contextmanager
def nginx_of_the_page(folder: Path, gate: Gate) -> Iterator[str]:
    """An nginx with the directives of the page."""
    port = free_port()
    (directives,) = code(EXISTING, "nginx", "Put TLS in front")
    directives = directives.replace("127.0.0.1:8080", gate.url.removeprefix("http://"))
    directives = re.sub(r"# listen 443.*", f"listen 127.0.0.1:{port};", directives)
    places = "".join(
        f"{each}_temp_path {folder}/{each};\n"
        for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log stderr error;\n"
        f"events {{ }}\nhttp {{\naccess_log off;\n{places}{directives}\n}}\n"
    )
    command = [str(nginx_program()), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with ServerProcess(command, {}, folder, "nginx") as process:
        url = f"http://127.0.0.1:{port}"
        process.wait_until(lambda: _responds(url) or None, "nginx", 30)
        yield url


def _responds(url: str) -> bool:
    done = subprocess.run(["curl", "-s", "-o", "/dev/null", f"{url}/health"], check=False)
    return done.returncode == 0


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_nginx_in_front(mlflow_server: MlflowServer, tmp_path: Path) -> None:
    """Bodies of any size pass, its pages may write, and the log has the clients' addresses."""
    (trusted,) = (each for each in code(EXISTING, "toml", "Put TLS in front") if "trusted" in each)
    (tmp_path / "headgate.toml").write_text(trusted)
    (tmp_path / "nginx").mkdir()
    key = run("headgate keys create ada 2> /dev/null", tmp_path, HEADGATE_DATA="data").strip()
    settings = {"HEADGATE_CONFIG": str(tmp_path / "headgate.toml")}
    with (
        running_gate(tmp_path, mlflow_server.url, settings) as gate,
        nginx_of_the_page(tmp_path / "nginx", gate) as url,
    ):
        (tmp_path / "big").write_bytes(bytes(3_000_000))
        place = f"{url}/api/2.0/mlflow-artifacts/artifacts/0/through-nginx"
        public = "-H 'Host: mlflow.example.com' -H 'Origin: http://mlflow.example.com'"
        script = f"""
curl -sS --fail-with-body -u any:{key} {public} -T big {place}
curl -sS --fail-with-body -u any:{key} {place} | wc -c
curl -sS --fail-with-body -u any:{key} --interface 127.0.0.2 {url}/version
"""
        assert "3000000\n" in run(script, tmp_path)
        log = gate.process.output
        gate.process.wait_until(lambda: CLIENT.search(log.read_text("utf-8")), "the client", 30)


def test_the_zone_of_a_task(tmp_path: Path) -> None:
    """The start command asks ECS's metadata for it."""
    (script,) = (
        each
        for each in code("how-to/run-in-production.md", "sh", "Find MLflow")
        if "ECS_CONTAINER" in each
    )
    script = script.replace("exec headgate serve", "env | grep BALANCE__ZONE")
    with RecordingUpstream(fixed(b'{"AvailabilityZone": "eu-central-1b"}')) as metadata:
        printed = run(script, tmp_path, ECS_CONTAINER_METADATA_URI_V4=f"{metadata.url}/v4/1")
    assert printed == "HEADGATE_UPSTREAMS__DEFAULT__BALANCE__ZONE=eu-central-1b\n"


@pytest.mark.parametrize(
    ("mlflow", "event", "ready"),
    [
        ("http://127.0.0.1:9", "endpoint_unhealthy", 200),
        ("http://mlflow.nowhere.invalid:5000", "discovery_failed", 503),
    ],
    ids=["down", "never found"],
)
def test_what_load_balancers_see_while_mlflow_is_away(
    mlflow: str, event: str, ready: int, tmp_path: Path
) -> None:
    """As ``probe-and-scrape`` says of the path to choose."""
    probed = {"HEADGATE_UPSTREAMS__DEFAULT__PROBES__INTERVAL": "0.2"}
    with running_gate(tmp_path, mlflow, OPS_LISTENER | probed) as gate:
        assert gate.event(event)
        assert gate.ask_ops("/readyz").status == ready
        assert gate.ask("GET", "/-/readyz").status == ready
        assert gate.ask("GET", "/health").status == 200
