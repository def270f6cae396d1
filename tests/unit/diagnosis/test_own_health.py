"""What the health check of a container asks, and what it makes of the response."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from headgate import __main__ as program
from headgate.cli import main
from headgate.config import Ops
from headgate.diagnosis.own_health import LIVE, READY, address_of, ask, examine
from headgate.errors import HeadgateError
from headgate.setting_sources import OPS_LISTEN, ops_listen
from tests.support.processes import clean_environment
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import closed, fixed, raw


@pytest.fixture
def listener() -> Iterator[RecordingUpstream]:
    with RecordingUpstream(fixed(b"ok\n")) as made:
        yield made


def environment(listener: RecordingUpstream) -> dict[str, str]:
    return {"HEADGATE_OPS__LISTEN": f"{listener.host}:{listener.port}"}


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("0.0.0.0:9464", ("127.0.0.1", 9464)),
        ("[::]:9464", ("::1", 9464)),
        ("10.0.1.7:80", ("10.0.1.7", 80)),
        ("[::1]:9464", ("::1", 9464)),
        ("localhost:9464", ("localhost", 9464)),
    ],
)
def test_where_this_machine_reaches_the_listener(listen: str, address: tuple[str, int]) -> None:
    assert address_of(listen) == address


@pytest.mark.parametrize(
    ("listen", "why"),
    [
        ("", "no operators' listener"),
        ("127.0.0.1:0", "any free port"),
        ("127.0.0.1", "is not HOST:PORT"),
        ("127.0.0.1:70000", "is not HOST:PORT"),
    ],
)
def test_a_listener_that_cannot_be_asked(listen: str, why: str) -> None:
    with pytest.raises(HeadgateError, match=why):
        address_of(listen)
    found = examine(None, {"HEADGATE_OPS__LISTEN": listen})
    assert not found.ok
    assert why in found.seen


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    file = tmp_path / "gate.toml"
    file.write_text('[ops]\nlisten = "127.0.0.1:1"\n[listen]\nport = "wrong, and not looked at"\n')
    assert ops_listen(file, {}) == "127.0.0.1:1"
    assert ops_listen(file, {"HEADGATE_OPS__LISTEN": "127.0.0.1:2"}) == "127.0.0.1:2"
    file.write_text("[listen]\nport = 1\n")
    assert ops_listen(file, {}) == ops_listen(None, {}) == OPS_LISTEN == Ops().listen


@pytest.mark.parametrize("text", ["[ops]\nlisten = 9464\n", "ops = 1\n", "", "not TOML"])
def test_a_file_that_says_nothing_is_not_well(text: str, tmp_path: Path) -> None:
    file = tmp_path / "gate.toml"
    file.write_text(text)
    found = examine(file, {})
    assert not found.ok
    assert "\n" not in found.seen


def test_a_gate_that_works(listener: RecordingUpstream) -> None:
    assert examine(None, environment(listener)).ok
    assert listener.received[0].startswith(b"GET /livez HTTP/1.1\r\n")
    assert f"Host: {listener.host}:{listener.port}".encode() in listener.received[0]


@pytest.mark.parametrize("in_file", [True, False])
def test_a_proxy_header_comes_first_where_the_listener_requires_one(
    in_file: bool, listener: RecordingUpstream, tmp_path: Path
) -> None:
    """The recording server takes the header's line for a request line, and keeps all bytes."""
    file = tmp_path / "gate.toml"
    file.write_text('[ops]\nproxy_protocol = ["127.0.0.1"]\n' if in_file else "[ops]\n")
    wanted = {} if in_file else {"HEADGATE_OPS__PROXY_PROTOCOL": "127.0.0.1"}
    examine(file, environment(listener) | wanted)
    assert listener.received[0].startswith(b"PROXY UNKNOWN\r\nGET /livez HTTP/1.1\r\n")
    listener.forget(fixed(b"ok\n"))
    assert examine(file, environment(listener) | {"HEADGATE_OPS__PROXY_PROTOCOL": ""}).ok


def test_a_listener_that_closes_the_connection_lacks_this_machine(
    listener: RecordingUpstream,
) -> None:
    listener.forget(closed())
    found = ask(listener.host, listener.port, LIVE, 5, proxied=True)
    assert not found.ok
    assert found.seen.endswith("add the address of this machine to ops.proxy_protocol")
    assert "ops.proxy_protocol" not in ask(listener.host, listener.port, LIVE, 5).seen
    with socket.create_server(("127.0.0.1", 0)) as gone:
        host, port = gone.getsockname()
    assert "connection refused" in ask(host, port, LIVE, 5, proxied=True).seen


@pytest.mark.parametrize(
    ("response", "page", "ok", "seen"),
    [
        (fixed(b"ready\n"), READY, True, "ready"),
        (fixed(b"draining\n", status=503), READY, False, "responded with 503: draining"),
        (fixed(b"ready\n"), LIVE, False, "did not respond as a gate does"),
        (fixed(b"<html>"), LIVE, False, "did not respond as a gate does"),
        (fixed(b"ok\n", status=404), LIVE, False, "did not respond as a gate does"),
        (raw(b"\x00" * 100_000), LIVE, False, "did not respond as a gate does"),
    ],
)
def test_what_the_response_means(
    response: object, page: str, ok: bool, seen: str, listener: RecordingUpstream
) -> None:
    listener.forget(response)  # type: ignore[arg-type]
    found = ask(listener.host, listener.port, page, 5)
    assert found.ok is ok
    assert seen in found.seen


def test_nobody_listens_and_somebody_hangs() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host, port = silent.getsockname()
        assert "not responded within 0.1 s" in ask(host, port, LIVE, 0.1).seen
    assert "cannot be reached: connection refused" in ask(host, port, LIVE, 5).seen


def test_the_command_with_and_without_the_command_line(
    listener: RecordingUpstream,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in environment(listener).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("HEADGATE_CONFIG", raising=False)
    monkeypatch.setattr(sys, "argv", ["headgate", "health"])
    assert program.main() == main(["health"]) == 0
    assert main(["health", "--ready"]) == 1  # the response is that of /livez
    assert main(["health", "--ready", "--json"]) == 1
    assert '"ok": false' in capsys.readouterr().out
    assert main(["health", "--json"]) == 0
    assert '"seen": "ok"' in capsys.readouterr().out
    monkeypatch.setenv("HEADGATE_OPS__LISTEN", "")
    assert program.main() == main(["health"]) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0] == said[1] == "headgate: ops.listen is empty: " + said[0].split("empty: ")[1]


def test_a_health_check_imports_nothing_heavy(listener: RecordingUpstream) -> None:
    """It runs every few seconds on a share of a processor; its time depends on its imports."""
    code = (
        "import sys; sys.argv = ['headgate', 'health']\n"
        "from headgate.__main__ import main\n"
        "code = main()\n"
        "heavy = {'typer', 'pydantic', 'rich', 'ssl', 'asyncio', 'sqlalchemy', 'email'}\n"
        "sys.exit(f'imported {heavy & set(sys.modules)}' if heavy & set(sys.modules) else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=clean_environment() | environment(listener),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")
