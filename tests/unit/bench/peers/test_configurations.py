"""The configurations of the other programs: whole, and with the fields of the gate's log."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from bench.peers import envoy
from bench.peers.launch import fill
from bench.peers.operations import exact_paths, write_maps
from bench.peers.order import Order, TokenIssuer
from headgate.telemetry.log_fields import ACCESS_FIELDS
from tests.support.certificates import Authority
from tests.support.issuers import Issuer
from tests.support.nginx import nginx_program
from tests.support.signing import new_key

TEMPLATES = Path(fill.__code__.co_filename).parent
LOGS = ("nginx-log.conf", "haproxy.cfg", "envoy.yaml", "starlette_proxy.py")


def fields(name: str) -> set[str]:
    """The fields of the access log that a program writes."""
    text = (TEMPLATES / name).read_text(encoding="utf-8")
    if name == "envoy.yaml":
        text = text.partition("json_format:\n")[2].partition("http_filters:")[0]
        return set(re.findall(r"^ +(\w+):", text, re.MULTILINE))
    if name == "starlette_proxy.py":
        text = text.partition("outcome = {")[2].partition("}\n        self._log")[0]
        return set(re.findall(r'^ +"(\w+)":', text, re.MULTILINE))
    text = text.partition("format")[2] if name == "nginx-log.conf" else text
    return set(re.findall(r'"(\w+)":', text))


@pytest.mark.parametrize("name", LOGS)
def test_every_program_logs_the_same_fields(name: str) -> None:
    assert fields(name) == fields("nginx-log.conf")


def test_they_are_fields_of_the_gates_line() -> None:
    """But for the time to connect, which it leaves out where a connection was kept."""
    assert fields("nginx-log.conf") <= {each.name for each in ACCESS_FIELDS}


def test_the_maps_name_every_path_without_a_parameter(tmp_path: Path) -> None:
    write_maps(tmp_path, "{path} {value}")
    operations = dict(
        line.split(" ") for line in (tmp_path / "operations.map").read_text().splitlines()
    )
    assert operations["/api/2.0/mlflow/runs/log-metric"] == "runs/log-metric"
    assert operations.keys() == exact_paths().keys()
    assert len(operations) > 300


@pytest.mark.parametrize(
    ("template", "mapped"), [("nginx.conf", "principal"), ("nginx-auth-request.conf", "known")]
)
def test_nginx_accepts_its_configuration(template: str, mapped: str, tmp_path: Path) -> None:
    write_maps(tmp_path, '"{path}" "{value}";')
    fill("nginx-log.conf", tmp_path, key="a-key", mapped=mapped)
    values = {
        "block": "256k",
        "buffering": "on",
        "head": "7k",
        "buffer": "64k",
        "listen": "",
        "tls": "",
    }
    file = fill(template, tmp_path, port=1, upstream="127.0.0.1:2", workers=1, **values)
    command = [str(nginx_program()), "-t", "-p", str(tmp_path), "-e", f"{tmp_path}/error.log"]
    command += ["-c", str(file)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, "test is successful" in done.stderr) == (0, True), done.stderr


@pytest.mark.parametrize("kind", ["keys", "tokens", "tokens anew", "TLS"])
def test_envoy_accepts_its_configuration(kind: str, tmp_path: Path) -> None:
    (jwks := tmp_path / "jwks.json").write_bytes(
        Issuer("", "https://issuer.example", new_key("one", "ES256")).jwks()
    )
    issuer = TokenIssuer("https://issuer.example", "https://gate.example", jwks)
    certificate = Authority(tmp_path, "authority").issue("server", "127.0.0.1")
    order = Order(
        tmp_path,
        "127.0.0.1:2",
        "a-key",
        issuer=issuer,
        certificate=certificate if kind == "TLS" else None,
    )
    authentication = envoy.keys(order)
    if "tokens" in kind:
        authentication = envoy.tokens(order, cache=kind == "tokens")
    file = envoy.configuration(order, authentication, 1)
    command = [str(envoy.program()), "--mode", "validate", "-c", str(file)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, "OK" in done.stdout) == (0, True), done.stderr


def test_the_programs_are_there() -> None:
    assert nginx_program().is_file()
    assert envoy.program().is_file()
