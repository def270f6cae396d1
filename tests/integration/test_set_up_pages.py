"""The pages that set up clients and TLS, that migrate, and that explain routing: run as written."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.support.client_messages import Call, messages
from tests.support.gate import Gate, create_key, running_gate
from tests.support.mlflow_server import MlflowServer
from tests.support.page_scripts import DOCS, SECONDS, code, run
from tests.support.processes import clean_environment

SEARCH = "print(len(mlflow.search_experiments(max_results=1)))"


def client(gate: Gate, key: str) -> dict[str, str]:
    """The settings that every page begins with."""
    return {"MLFLOW_TRACKING_URI": gate.url, "MLFLOW_TRACKING_TOKEN": key}


@pytest.fixture
def newest(mlflow_server: MlflowServer) -> str:
    """The experiment that MLflow lists first: others of this server's tests made theirs before."""
    name = f"newest-{uuid.uuid4().hex}"
    made = httpx2.post(
        f"{mlflow_server.url}/api/2.0/mlflow/experiments/create",
        json={"name": name},
        timeout=SECONDS,
    )
    made.raise_for_status()
    return name


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl(gate: Gate, key: str, newest: str, tmp_path: Path) -> None:
    search, version = code("how-to/set-up-clients.md", "sh", "curl")
    assert f'"name": "{newest}"' in run(search, tmp_path, **client(gate, key))
    assert run(version, tmp_path, **client(gate, key)).startswith("3.")


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_node(gate: Gate, key: str, newest: str, tmp_path: Path) -> None:
    (program,) = code("how-to/set-up-clients.md", "js", "TypeScript and JavaScript")
    wanted = ("node", "--input-type=module", "-e")
    assert newest in run(program, tmp_path, *wanted, **client(gate, key)).splitlines()


def test_a_notebook(gate: Gate, key: str, tmp_path: Path) -> None:
    (program,) = code("how-to/set-up-clients.md", "python", "Python")
    program = program.replace("https://mlflow.example.com", gate.url)
    asks = f"import getpass; getpass.getpass = lambda _: {key!r}\n"
    after = f"\nimport mlflow\n{SEARCH}"
    assert run(asks + program + after, tmp_path, sys.executable, "-c") == "1\n"


@pytest.fixture
def key_of_secure(tmp_path: Path) -> str:
    """A key that ``secure`` knows from its first request on."""
    return create_key(tmp_path / "data", "somebody")


@pytest.fixture
def secure(mlflow_server: MlflowServer, tmp_path: Path, key_of_secure: str) -> Iterator[Gate]:
    """A gate with the certificate and the client authority that the page makes."""
    (made,) = code("how-to/set-up-tls.md", "sh", "A certificate of your own authority")
    (for_client,) = code("how-to/set-up-tls.md", "sh", "Client certificates")
    run(made + for_client, tmp_path, NAME="127.0.0.1", KIND="IP")
    (own,) = code("how-to/set-up-tls.md", "toml", "A certificate of your own authority")
    (mutual,) = code("how-to/set-up-tls.md", "toml", "Client certificates")
    settings = own + mutual.removeprefix("[listen.tls]\n")
    for name in ("tls.crt", "tls.key", "ca.pem"):
        settings = settings.replace(f'"{name}"', f'"{tmp_path / name}"')
    (tmp_path / "headgate.toml").write_text(settings)
    configured = {"HEADGATE_CONFIG": str(tmp_path / "headgate.toml")}
    with running_gate(tmp_path, mlflow_server.url, configured) as gate:
        yield gate


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_certificates_of_your_own_authority(
    secure: Gate, key_of_secure: str, tmp_path: Path
) -> None:
    """The client needs both variables of the page, and a renewed certificate needs no restart."""
    token = {"MLFLOW_TRACKING_TOKEN": key_of_secure}
    trusted = token | {"MLFLOW_TRACKING_SERVER_CERT_PATH": str(tmp_path / "ca.pem")}
    whole = trusted | {"MLFLOW_TRACKING_CLIENT_CERT_PATH": str(tmp_path / "client.pem")}
    calls = [Call(secure.url, SEARCH, each) for each in (token, trusted)]
    stranger, nameless = messages(calls, tmp_path)
    assert "CERTIFICATE_VERIFY_FAILED" in stranger
    assert "Exception" in nameless
    (known,) = messages([Call(secure.url, "mlflow.get_experiment('0')", whole)], tmp_path)
    assert known == ""
    (made,) = code("how-to/set-up-tls.md", "sh", "A certificate of your own authority")
    renewed = "\n".join(made.split("openssl req")[-1:])
    run("openssl req" + renewed, tmp_path, NAME="127.0.0.1", KIND="IP")
    assert secure.event("certificate_reloaded")


def test_users_of_basic_auth_get_keys(mlflow_server: MlflowServer, tmp_path: Path) -> None:
    """Their client needs another password, and the role says what it may do."""
    (script,) = re.findall(
        r"^   ```sh\n(.*?)^   ```$",
        (DOCS / "how-to/migrate-from-basic-auth.md").read_text("utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    (tmp_path / "users.txt").write_text("ada writer\nbob viewer\n")
    run(script, tmp_path, HEADGATE_DATA=str(tmp_path / "data"))
    passwords = dict(line.split() for line in (tmp_path / "keys.txt").read_text().splitlines())
    assert (tmp_path / "keys.txt").stat().st_mode & 0o077 == 0
    with running_gate(tmp_path, mlflow_server.url) as gate:
        create = "mlflow.create_experiment('migrated')"
        said = {
            user: messages(
                [
                    Call(
                        gate.url,
                        create,
                        {"MLFLOW_TRACKING_USERNAME": user, "MLFLOW_TRACKING_PASSWORD": password},
                    )
                ],
                tmp_path,
            )[0]
            for user, password in passwords.items()
        }
    assert said["ada"] == ""
    assert "PERMISSION_DENIED" in said["bob"]


def test_users_of_nginx_get_keys(mlflow_server: MlflowServer, tmp_path: Path) -> None:
    heading = "From nginx with htpasswd"
    (script,) = code("how-to/migrate-from-basic-auth.md", "sh", heading)
    (tmp_path / "htpasswd").write_text("ada:$apr1$x$y\nbob:$2y$05$z\n")
    run(script, tmp_path, HEADGATE_DATA=str(tmp_path / "data"))
    names = [line.split()[0] for line in (tmp_path / "keys.txt").read_text().splitlines()]
    assert names == ["ada", "bob"]
    with running_gate(tmp_path, mlflow_server.url) as gate:
        key = (tmp_path / "keys.txt").read_text().split()[1]
        assert gate.ask("GET", "/version", key=key).status == 200


def test_the_examples_of_routing(tmp_path: Path) -> None:
    page = (DOCS / "explanation/routing.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+) (\S+)` \| (.+?) \| (.*?) ?\|$", page, re.MULTILINE)
    assert len(rows) == 5
    for method, target, received, operation in rows:
        done = subprocess.run(
            [sys.executable, "-m", "headgate", "explain", method, target],
            env=clean_environment() | {"HEADGATE_DATA": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        for part in re.findall(r"`(.+?)`", f"{received} {operation}"):
            assert part in done.stdout, done.stdout
