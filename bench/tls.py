"""TLS: CPU time of a request on a kept connection, and how many handshakes a second of it does."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence

from bench import wrk
from bench.peers.field import Subject, all_running, sink
from bench.peers.launch import HOST, placed
from bench.peers.programs import Program
from bench.processes import usage
from bench.series import Better, Series, alternating
from bench.setting import CannotMeasureError, Setting
from tests.support.certificates import Authority

CONNECTIONS = 8
SECONDS = 2
HANDSHAKES = 1000
WAIT_SECONDS = 30.0
CASES = {"full": "full handshakes", "resumed": "resumed handshakes"}


def measure(setting: Setting, programs: Sequence[Program]) -> list[Series]:
    """Load each program over TLS 1.3 with the same certificate (ECDSA, P-256).

    The client opens one connection after the other and sends nothing on it.  It resumes a session
    of the server that it has from a connection before.

    Raises:
        CannotMeasureError: a server does not resume a session.
    """
    authority = Authority(setting.folder, "authority")
    certificate = authority.issue("server", HOST)
    context = ssl.create_default_context(cafile=authority.certificate)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    cpu: dict[str, list[float]] = {program.name: [] for program in programs}
    rate: dict[str, dict[str, list[float]]] = {
        case: {program.name: [] for program in programs} for case in CASES
    }
    with (
        placed(setting.other_cores),
        sink(setting) as upstream,
        all_running(
            setting, programs, setting.folder / "all", upstream.alike, certificate=certificate
        ) as subjects,
    ):
        by_name = {subject.name: subject for subject in subjects}
        sessions = {name: _session(context, subject) for name, subject in by_name.items()}
        for turn, names in enumerate(alternating(list(by_name), setting.rounds), start=1):
            setting.say(f"tls: round {turn} of {setting.rounds}")
            for name in names:
                subject = by_name[name]
                cpu[name].append(_requests(setting, subject))
                for case, session in (("full", None), ("resumed", sessions[name])):
                    rate[case][name].append(_handshakes(setting, context, subject, session))
    return [
        Series(
            "tls.alike", "CPU time per request over TLS: GET, heads alike", "µs", Better.LOWER, cpu
        ),
        *(
            Series(
                f"tls.{case}", f"Per second of CPU time: {title}", "1/s", Better.HIGHER, rate[case]
            )
            for case, title in CASES.items()
        ),
    ]


def _requests(setting: Setting, subject: Subject) -> float:
    """Microseconds of CPU time for each request on kept connections."""
    before = usage(subject.session).cpu
    load = wrk.run(
        "alike",
        subject.port,
        subject.key,
        connections=CONNECTIONS,
        seconds=setting.choose(SECONDS, 1),
        scheme="https",
    )
    return (usage(subject.session).cpu - before) / load.requests * 1e6


def _handshakes(
    setting: Setting, context: ssl.SSLContext, subject: Subject, session: ssl.SSLSession | None
) -> float:
    """How many handshakes a second of CPU time does; with ``session`` each resumes it."""
    count = setting.choose(HANDSHAKES, HANDSHAKES // 10)
    before = usage(subject.session).cpu
    for _ in range(count):
        with _connect(context, subject.port, session) as connection:
            if connection.session_reused != (session is not None):
                raise CannotMeasureError(f"{subject.name} does not resume its sessions")
    _session(context, subject)  # the server has done all handshakes before this one
    return count / (usage(subject.session).cpu - before)


def _connect(
    context: ssl.SSLContext, port: int, session: ssl.SSLSession | None = None
) -> ssl.SSLSocket:
    plain = socket.create_connection((HOST, port), timeout=WAIT_SECONDS)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(plain, server_hostname=HOST, session=session)


def _session(context: ssl.SSLContext, subject: Subject) -> ssl.SSLSession:
    """A session to resume: TLS 1.3 sends it after the handshake, with a response at the latest."""
    with _connect(context, subject.port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
        while connection.recv(65536):
            pass
        session = connection.session
    if session is None:
        raise CannotMeasureError(f"{subject.name} gives no session to resume")
    return session
