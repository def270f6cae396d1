"""A worker that dies is replaced as the gate was last in force, whatever stands on disk by then."""

from __future__ import annotations

import shutil
import signal
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.certificates import Authority, Certificate
from tests.support.gate import Gate, bearer, create_key, running_gate
from tests.support.raw import request_head
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed
from tests.support.tls_client import TlsClient, client_context
from tests.support.workers import SECONDS, is_alive, kill_worker, serving_pid, worker_pids

TOKEN = "upstream-token"


@dataclass(frozen=True)
class Place:
    """A running gate over TLS, and every file that it was started from."""

    gate: Gate
    upstream: RecordingUpstream
    authority: Authority
    certificate: Certificate
    config: Path
    token: Path
    store: Path
    temporary: Path
    key: str

    def asked(self, key: str) -> tuple[int, int]:
        """The status of a request, and the serial number of the certificate that was shown."""
        context = client_context(self.authority)
        with TlsClient(self.gate.host, self.gate.port, context) as client:
            client.send(request_head("GET", "/version", bearer(key)))
            return client.response().status, client.serial

    def replace_all(self) -> None:
        """Kill every worker, one after the other, and wait until others serve."""
        for pid in worker_pids(self.gate.process):
            kill_worker(self.gate.process, pid, signal.SIGKILL)

    def wait_for_message(self, message: str, count: int) -> None:
        """Wait until ``message`` has been logged ``count`` times."""

        def found() -> bool | None:
            return [each["message"] for each in self.gate.events()].count(message) >= count or None

        self.gate.process.wait_until(found, message, SECONDS)

    def serves(self) -> bool:
        return self.asked(self.key) == (200, self.certificate.serial)


Spoil = Callable[[Place], object]


def _half(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _store_folder(place: Place) -> None:
    shutil.rmtree(place.store.parent)


SPOILS: dict[str, Spoil] = {
    "configuration broken": lambda place: place.config.write_text("[upstreams.default\nurl = "),
    "configuration unfit": lambda place: place.config.write_text("nonsense = 1\n"),
    "configuration empty": lambda place: place.config.write_text(""),
    "configuration gone": lambda place: place.config.unlink(),
    "certificate broken": lambda place: _half(place.certificate.certificate),
    "certificate gone": lambda place: place.certificate.certificate.unlink(),
    "private key gone": lambda place: place.certificate.key.unlink(),
    "private key of another": lambda place: shutil.copy(
        place.authority.issue("other", "127.0.0.1").key, place.certificate.key
    ),
    "secret gone": lambda place: place.token.unlink(),
    "secret empty": lambda place: place.token.write_text(""),
    "store gone": lambda place: place.store.unlink(),
    "store broken": lambda place: place.store.write_bytes(b"no database" * 1000),
    "store folder gone": _store_folder,
    "temporary folder gone": lambda place: shutil.rmtree(place.temporary),
}


@pytest.fixture(params=[pytest.param(1, marks=pytest.mark.long), 2])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with ExitStack() as stack:
        upstream = stack.enter_context(RecordingUpstream(fixed(b"3.17.2")))
        authority = Authority(tmp_path, "authority")
        certificate = authority.issue("gate", "127.0.0.1")
        key = create_key(tmp_path / "data", "first")
        token, config, temporary = (tmp_path / name for name in ("token", "gate.toml", "tmp"))
        temporary.mkdir()
        token.write_text(TOKEN)
        config.write_text(
            f'[upstreams.default]\nurl = "{upstream.url}"\nprobes.interval = 0\n'
            f'credentials.token_file = "{token}"\ncredentials.policy = "replace"\n'
            f"[listen]\nworkers = {request.param}\n"
            f'[listen.tls]\ncertificate = "{certificate.certificate}"\nkey = "{certificate.key}"\n'
        )
        environment = {"HEADGATE_CONFIG": str(config), "TMPDIR": str(temporary)}
        gate = stack.enter_context(running_gate(tmp_path, None, environment))
        store = tmp_path / "data" / "keys.sqlite"
        made = Place(gate, upstream, authority, certificate, config, token, store, temporary, key)
        assert made.serves()
        yield made


@pytest.mark.parametrize("spoil", SPOILS.values(), ids=SPOILS)
def test_whatever_stands_on_disk(spoil: Spoil, place: Place) -> None:
    """Twice, since what replaces must leave the same to the next."""
    spoil(place)
    for _ in range(2):
        place.replace_all()
        assert all(place.serves() for _ in range(6))
    assert place.upstream.requests[-1].all(b"authorization") == [f"Bearer {TOKEN}".encode()]
    assert place.gate.process.exit_code is None
    assert place.asked("hg_" + "0" * 49)[0] == 401


@pytest.mark.parametrize("place", [1, 2], indirect=True)
def test_with_everything_gone(place: Place) -> None:
    for name in ("configuration gone", "certificate gone", "private key gone", "secret gone"):
        SPOILS[name](place)
    _store_folder(place)
    shutil.rmtree(place.temporary)
    place.replace_all()
    assert all(place.serves() for _ in range(6))


def test_it_goes_on_to_follow_the_disk(place: Place) -> None:
    """What is mended there is taken up, a new certificate and a new key too."""
    for name in ("configuration broken", "certificate broken"):
        SPOILS[name](place)
    config = place.config.with_suffix(".kept")
    place.replace_all()
    place.gate.process.wait_for_line("configuration not reloaded", SECONDS)
    place.gate.process.wait_for_line("certificate not reloaded", SECONDS)
    renewed = place.authority.issue("gate", "127.0.0.1")
    new_key = create_key(place.store.parent, "second")
    place.gate.process.wait_until(
        lambda: place.asked(new_key) == (200, renewed.serial) or None, "the new files", SECONDS
    )
    assert not config.exists()


def test_a_store_that_comes_back_is_followed(place: Place) -> None:
    kept = place.store.rename(place.store.with_suffix(".kept"))
    place.replace_all()
    assert place.serves()
    assert not place.store.exists()  # an empty one would lock everybody out
    kept.rename(place.store)
    place.gate.revoke_key("first")
    place.gate.process.wait_until(
        lambda: place.asked(place.key)[0] == 401 or None, "the end of the key", SECONDS
    )


def test_what_was_taken_up_last_counts_and_not_the_start(place: Place) -> None:
    """The certificate that was renewed, the key that was made, the configuration that was read."""
    renewed = place.authority.issue("gate", "127.0.0.1")
    key = create_key(place.store.parent, "second")
    place.config.write_text(place.config.read_text() + "[limits]\nbody_bytes = 99\n")
    count = len(worker_pids(place.gate.process))
    for message in ("certificate reloaded", "configuration reloaded"):
        place.wait_for_message(message, count)
    place.gate.process.wait_until(
        lambda: all(place.asked(key)[0] == 200 for _ in range(6)) or None, "the new key", SECONDS
    )
    for name in ("configuration gone", "certificate gone", "private key gone", "store gone"):
        SPOILS[name](place)
    place.replace_all()
    for _ in range(6):
        assert place.asked(key) == (200, renewed.serial)
    context = client_context(place.authority)
    with TlsClient(place.gate.host, place.gate.port, context) as client:
        path = "/api/2.0/mlflow/runs/create"
        client.send(request_head("POST", path, bearer(key), "Content-Length: 100"))
        assert client.response().status == 413


def test_a_certificate_that_has_ended_keeps_no_worker_from_starting(place: Place) -> None:
    """What clients make of it is for them to say."""
    ended = place.authority.issue("gate", "127.0.0.1", ended=True)
    place.replace_all()
    place.gate.process.wait_for_line("certificate reloaded", SECONDS)
    careless = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE

    def shown() -> int:
        with TlsClient(place.gate.host, place.gate.port, careless) as client:
            return client.serial

    place.gate.process.wait_until(
        lambda: all(shown() == ended.serial for _ in range(6)) or None,
        "the certificate that has ended",
        SECONDS,
    )


def test_one_that_cannot_start_is_tried_again(place: Place) -> None:
    """Nothing but its own defect keeps it from serving; the supervisor does not give up."""
    pid = serving_pid(place.gate.process)
    for _ in range(3):
        pid = kill_worker(place.gate.process, pid, signal.SIGKILL)
    assert is_alive(place.gate.process.pid)
    assert place.serves()
