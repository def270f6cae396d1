"""What a real gate shows of its processes, its certificates and failed handshakes."""

from __future__ import annotations

import os
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGHUP, SIGKILL

import pytest

from headgate import __version__
from tests.support.certificates import Authority, Certificate
from tests.support.gate import OPS_LISTENER, Gate, running_gate
from tests.support.prometheus import Family, parse
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed
from tests.support.workers import kill_worker, worker_pids

SECONDS = 20.0
FAILURES = "headgate_tls_handshake_failures_total"


def metrics(gate: Gate) -> dict[str, Family]:
    return parse(gate.ask_ops("/metrics").body.decode())


def wait_for(gate: Gate, condition: Callable[[dict[str, Family]], bool], what: str) -> None:
    gate.process.wait_until(lambda: True if condition(metrics(gate)) else None, what, SECONDS)


@dataclass(frozen=True)
class Guarded:
    """A gate with TLS that wants client certificates."""

    gate: Gate
    authority: Authority
    certificate: Certificate
    file: Path

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authority.certificate))

    def shake_hands(self, context: ssl.SSLContext) -> None:
        """Try to; what the server thinks of a certificate comes after the handshake (TLS 1.3)."""
        with (
            suppress(OSError),
            socket.create_connection((self.gate.host, self.gate.port), timeout=SECONDS) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as client,
        ):
            client.recv(1)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    authority = Authority(folder, "clients")
    own = authority.issue("server", "127.0.0.1")
    file = folder / "gate.toml"
    file.write_text("[limits]\nheaders = 100\n")
    with RecordingUpstream(fixed(b"{}")) as upstream:
        settings = OPS_LISTENER | {
            "HEADGATE_CONFIG": str(file),
            "HEADGATE_LISTEN__WORKERS": "2",
            "HEADGATE_LISTEN__TLS__CERTIFICATE": str(own.certificate),
            "HEADGATE_LISTEN__TLS__KEY": str(own.key),
            "HEADGATE_LISTEN__TLS__CLIENT_CA": str(authority.certificate),
            "HEADGATE_LIMITS__HEADER_TIMEOUT": "1",
        }
        with running_gate(folder, upstream.url, settings) as gate:
            yield Guarded(gate, authority, own, file)


def shows(guarded: Guarded, authority: Authority, *, ended: bool = False) -> None:
    made = authority.issue("client", "client.example", ended=ended)
    context = guarded.context()
    context.load_cert_chain(made.certificate, made.key)
    guarded.shake_hands(context)


def no_certificate(guarded: Guarded, _folder: Path) -> None:
    guarded.shake_hands(guarded.context())


def unknown_ca(guarded: Guarded, folder: Path) -> None:
    shows(guarded, Authority(folder, "other"))


def expired(guarded: Guarded, _folder: Path) -> None:
    shows(guarded, guarded.authority, ended=True)


def old_version(guarded: Guarded, _folder: Path) -> None:
    """A ClientHello of TLS 1.0, which OpenSSL's own clients no longer send."""
    body = b"\x03\x01" + bytes(32) + b"\x00" + b"\x00\x02\x00\x2f" + b"\x01\x00"
    message = b"\x01" + struct.pack(">I", len(body))[1:] + body
    speak(guarded, b"\x16\x03\x01" + struct.pack(">H", len(message)) + message)


def no_cipher(guarded: Guarded, _folder: Path) -> None:
    context = guarded.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")  # the gate's key is no RSA key
    guarded.shake_hands(context)


def distrust(guarded: Guarded, folder: Path) -> None:
    guarded.shake_hands(
        ssl.create_default_context(cafile=str(Authority(folder, "other").certificate))
    )


def plain_http(guarded: Guarded, _folder: Path) -> None:
    speak(guarded, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")


def half(guarded: Guarded, _folder: Path) -> None:
    speak(guarded, b"\x16\x03\x01\x01")


def leaves(guarded: Guarded, _folder: Path) -> None:
    with socket.create_connection((guarded.gate.host, guarded.gate.port)) as client:
        client.sendall(b"\x16\x03\x01\x01")


def speak(guarded: Guarded, data: bytes) -> None:
    """Send something, and wait for the end."""
    with (
        suppress(OSError),
        socket.create_connection((guarded.gate.host, guarded.gate.port), timeout=SECONDS) as client,
    ):
        client.sendall(data)
        while client.recv(4096):
            pass


@pytest.mark.parametrize(
    ("attempt", "cause"),
    [
        (no_certificate, "no_client_certificate"),
        (unknown_ca, "unknown_ca"),
        (expired, "expired_certificate"),
        (old_version, "protocol_version"),
        (no_cipher, "no_shared_cipher"),
        (distrust, "gate_certificate_refused"),
        (plain_http, "not_tls"),
        (half, "timeout"),
        (leaves, "client_closed"),
    ],
)
def test_a_handshake_that_fails_is_counted_by_its_cause(
    attempt: Callable[[Guarded, Path], None], cause: str, guarded: Guarded, tmp_path: Path
) -> None:
    before = metrics(guarded.gate)[FAILURES]
    attempt(guarded, tmp_path)

    def counted(found: dict[str, Family]) -> bool:
        return found[FAILURES].value(cause=cause) == before.value(cause=cause) + 1

    wait_for(guarded.gate, counted, cause)
    assert metrics(guarded.gate)[FAILURES].total() == before.total() + 1


def test_certificates_and_the_configuration(guarded: Guarded) -> None:
    gate = guarded.gate
    name = "headgate_certificate_expiry_seconds"  # which has its help before it has a value
    wait_for(gate, lambda found: found[name].value(certificate="listener") != 0, "certificates")
    found = metrics(gate)
    expiry = found[name]
    assert 0 < expiry.value(certificate="listener") < 2 * 86_400
    assert expiry.value(certificate="client_ca") > 0
    first = found["headgate_config_hash"].value()
    loaded = found["headgate_config_last_reload_success_timestamp_seconds"].value()
    assert found["headgate_config_last_reload_successful"].value() == 1
    assert abs(loaded - time.time()) < 600

    guarded.file.write_text("[limits]\nheaders = 0\n")
    gate.process.signal(SIGHUP)

    def successful(value: int) -> Callable[[dict[str, Family]], bool]:
        name = "headgate_config_last_reload_successful"
        return lambda found: found[name].value() == value

    wait_for(gate, successful(0), "a reload that failed")
    assert metrics(gate)["headgate_config_hash"].value() == first
    guarded.file.write_text("[limits]\nheaders = 90\n")
    gate.process.signal(SIGHUP)
    wait_for(gate, successful(1), "a reload that did not")
    wait_for(gate, lambda found: found["headgate_config_hash"].value() != first, "another hash")
    after = metrics(gate)["headgate_config_last_reload_success_timestamp_seconds"].value()
    assert after > loaded


def test_processes(guarded: Guarded) -> None:
    gate = guarded.gate
    wait_for(gate, lambda found: found["headgate_workers"].value() == 2, "two workers")
    found = metrics(gate)
    build = found["headgate_build_info"]
    assert build.total() == 1
    assert build.total(version=__version__) == 1
    assert abs(found["process_start_time_seconds"].value() - time.time()) < 600
    pids = [gate.process.pid, *worker_pids(gate.process)]

    def is_resident(shown: dict[str, Family]) -> bool:
        sizes = (Path(f"/proc/{pid}/statm").read_text().split()[1] for pid in pids)
        resident = sum(map(int, sizes)) * os.sysconf("SC_PAGE_SIZE")
        return 0.7 * resident < shown["process_resident_memory_bytes"].value() < 1.3 * resident

    wait_for(gate, is_resident, "the memory of three processes")
    found = metrics(gate)
    assert 20 < found["process_open_fds"].value() < 500
    assert found["process_max_fds"].value() >= 1000
    lag = found["headgate_loop_lag_seconds"]
    assert lag.samples[("headgate_loop_lag_seconds_count", frozenset())] > 0


def test_no_counter_goes_down_when_a_worker_is_replaced(guarded: Guarded) -> None:
    gate = guarded.gate
    wait_for(gate, lambda found: found["process_cpu_seconds_total"].value() > 0.5, "some work")
    before = metrics(gate)
    kill_worker(gate.process, worker_pids(gate.process)[0], SIGKILL)
    wait_for(gate, lambda found: found["headgate_workers"].value() == 2, "two workers")
    after = metrics(gate)
    for name, family in before.items():
        if family.kind != "counter":
            continue
        for (sample, labels), value in family.samples.items():
            assert after[name].samples[sample, labels] >= value, (name, labels)
