"""PROXY protocol at a real gate, from real proxies: whose request it is, and who is not served."""

from __future__ import annotations

import random
import signal
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from headgate.diagnosis.own_health import OwnHealth, examine
from headgate.wire.proxy_header import ProxyHeaderError, ProxyHeaderReader
from tests.support.byte_stream import ByteStream, ClosedError
from tests.support.certificates import Authority
from tests.support.gate import Gate, bearer, create_key, running_gate
from tests.support.ports import free_port
from tests.support.proxy_headers import LOCAL, block, field, line, with_checksum
from tests.support.raw import RawClient, RawResponse, request_head
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed
from tests.support.tcp_proxies import haproxy_before, header_reader, nginx_before
from tests.support.tls_client import client_context

CLIENT = "127.0.0.5"
"""Where clients come from, so that they are told apart from the proxies, at 127.0.0.1."""
ELSEWHERE = "127.1.0.1"
SOURCE = "198.51.100.7"
HEADERS = (line(SOURCE, "192.0.2.80"), block(SOURCE, "192.0.2.80"))
SETTING = {"HEADGATE_LISTEN__PROXY_PROTOCOL": "127.0.0.0/16"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("proxy-protocol")


@pytest.fixture(scope="module")
def key(folder: Path) -> str:
    return create_key(folder / "data", "proxied")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder, "authority")


@pytest.fixture(scope="module")
def tls(folder: Path, authority: Authority) -> Mapping[str, str]:
    """The settings of a gate that serves HTTPS."""
    issued = authority.issue("gate", "127.0.0.1")
    combined = folder / "haproxy.pem"
    combined.write_bytes(issued.certificate.read_bytes() + issued.key.read_bytes())
    return {
        "HEADGATE_LISTEN__TLS__CERTIFICATE": str(issued.certificate),
        "HEADGATE_LISTEN__TLS__KEY": str(issued.key),
    }


@pytest.fixture(scope="module")
def _upstream() -> Iterator[RecordingUpstream]:
    with RecordingUpstream(fixed(b"served")) as running:
        yield running


@pytest.fixture
def upstream(_upstream: RecordingUpstream) -> RecordingUpstream:
    """The module's upstream, with nothing recorded yet."""
    _upstream.forget(fixed(b"served"))
    return _upstream


def _gate(stack: ExitStack, folder: Path, name: str, url: str, settings: Mapping[str, str]) -> Gate:
    own = folder / name
    own.mkdir()
    data = {"HEADGATE_DATA": str(folder / "data")}
    return stack.enter_context(running_gate(own, url, {**SETTING, **data, **settings}))


@pytest.fixture(scope="module")
def gate(folder: Path, _upstream: RecordingUpstream, key: str) -> Iterator[Gate]:
    """A gate in plain HTTP, whose operators' listener requires the header, too."""
    settings = {
        "HEADGATE_OPS__LISTEN": f"127.0.0.1:{free_port()}",
        "HEADGATE_OPS__PROXY_PROTOCOL": "127.0.0.0/16",
        "HEADGATE_LIMITS__HEADER_TIMEOUT": "3",
    }
    with ExitStack() as stack:
        yield _gate(stack, folder, "plain", _upstream.url, settings)


@pytest.fixture(scope="module")
def tls_gate(
    folder: Path, _upstream: RecordingUpstream, key: str, tls: Mapping[str, str]
) -> Iterator[Gate]:
    settings = {"HEADGATE_LIMITS__HEADER_TIMEOUT": "3", **tls}
    with ExitStack() as stack:
        yield _gate(stack, folder, "tls", _upstream.url, settings)


def ask(client: RawClient, key: str) -> RawResponse:
    client.send(request_head("GET", "/version", bearer(key)))
    return client.response()


def is_from(gate: Gate, response: RawResponse, client: str) -> bool:
    """Whether the request was served, and the log has it as one of ``client``."""
    request_id = response.get("X-Request-ID")
    seen = gate.outcome(lambda o: o["request_id"] == request_id)["client"]
    return (response.status, seen) == (200, client)


@contextmanager
def handshake(port: int, context: ssl.SSLContext, *before: bytes) -> Iterator[RawClient]:
    """A client whose TLS begins after the bytes of ``before``, which are sent one by one."""
    with socket.create_connection(("127.0.0.1", port), 15, (CLIENT, 0)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in before:
            connection.sendall(part)
        client = RawClient.__new__(RawClient)
        ByteStream.__init__(client, context.wrap_socket(connection, server_hostname="127.0.0.1"))
        with client:
            yield client


# --- who is served -------------------------------------------------------------------------------


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_header_names_the_client(
    header: bytes, size: int, gate: Gate, upstream: RecordingUpstream, key: str
) -> None:
    with gate.connect() as client:
        sent = header + request_head("GET", "/version", bearer(key))
        for at in range(0, len(sent), size):
            client.send(sent[at : at + size])
        assert is_from(gate, client.response(), SOURCE)
        assert is_from(gate, ask(client, key), SOURCE)
    assert upstream.request(0).all(b"x-forwarded-for") == [SOURCE.encode()]
    assert upstream.request(1).all(b"x-forwarded-for") == [SOURCE.encode()]


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_header_comes_before_the_handshake(
    header: bytes,
    size: int,
    tls_gate: Gate,
    upstream: RecordingUpstream,
    authority: Authority,
    key: str,
) -> None:
    parts = [header[at : at + size] for at in range(0, len(header), size)]
    with handshake(tls_gate.port, client_context(authority), *parts) as client:
        assert is_from(tls_gate, ask(client, key), SOURCE)
    assert upstream.request(0).all(b"x-forwarded-for") == [SOURCE.encode()]
    assert upstream.request(0).all(b"x-forwarded-proto") == [b"https"]


def test_a_failed_handshake_is_that_of_the_named_client(tls_gate: Gate) -> None:
    with tls_gate.connect() as client:
        client.send(HEADERS[0] + b"GET / HTTP/1.1\r\n\r\n")
        assert client.receive_to_end().startswith(b"HTTP/1.1 400 ")
    assert tls_gate.event("tls_handshake_failed")["client"] == SOURCE


@pytest.mark.parametrize(
    "options",
    ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id,authority"],
)
def test_behind_haproxy(
    options: str, gate: Gate, upstream: RecordingUpstream, key: str, tmp_path: Path
) -> None:
    """Its health checks are connections of its own, and find the gate well."""
    with haproxy_before(gate.port, tmp_path, options) as port:
        for _ in range(3):
            with RawClient("127.0.0.1", port, source=CLIENT) as client:
                assert is_from(gate, ask(client, key), CLIENT)
    gate.outcome(lambda o: o["path"] == "/-/livez" and o["client"] == "127.0.0.1")


def test_behind_haproxy_that_passes_tls_on(
    tls_gate: Gate,
    upstream: RecordingUpstream,
    authority: Authority,
    key: str,
    tmp_path: Path,
) -> None:
    options = "send-proxy-v2 proxy-v2-options crc32c"
    with (
        haproxy_before(tls_gate.port, tmp_path, options, tls=True) as port,
        handshake(port, client_context(authority)) as client,
    ):
        assert is_from(tls_gate, ask(client, key), CLIENT)


def test_behind_haproxy_that_ends_tls_and_says_much_about_it(
    gate: Gate,
    upstream: RecordingUpstream,
    authority: Authority,
    tls: Mapping[str, str],
    key: str,
    folder: Path,
    tmp_path: Path,
) -> None:
    options = "send-proxy-v2-ssl-cn proxy-v2-options crc32c,ssl,cert-cn,cert-sig,cert-key"
    pem = folder / "haproxy.pem"
    with (
        haproxy_before(gate.port, tmp_path, options, certificate=pem) as port,
        handshake(port, client_context(authority)) as client,
    ):
        assert is_from(gate, ask(client, key), CLIENT)
    # What the connection to the gate is counts, not what the header says of the client's.
    last = upstream.request(-1)
    assert last.all(b"x-forwarded-proto") == [b"http"]


def test_behind_nginx(gate: Gate, upstream: RecordingUpstream, key: str, tmp_path: Path) -> None:
    with (
        nginx_before(gate.port, tmp_path) as port,
        RawClient("127.0.0.1", port, source=CLIENT) as client,
    ):
        assert is_from(gate, ask(client, key), CLIENT)


def test_each_client_has_its_own_share_of_the_handshakes(
    tmp_path: Path,
    upstream: RecordingUpstream,
    folder: Path,
    authority: Authority,
    tls: Mapping[str, str],
    key: str,
) -> None:
    """One address may have half of the connections without a key; the proxy has all clients."""
    few = {"HEADGATE_LIMITS__CONNECTIONS": "4", "HEADGATE_DATA": str(folder / "data")}
    context = client_context(authority)
    with (
        running_gate(tmp_path, upstream.url, {**SETTING, **tls, **few}) as gate,
        handshake(gate.port, context, line("203.0.113.1", "192.0.2.80")),
        handshake(gate.port, context, line("203.0.113.1", "192.0.2.80")),
    ):
        third = handshake(gate.port, context, block("203.0.113.1", "192.0.2.80"))
        with pytest.raises((ConnectionError, ssl.SSLError)), third:
            pass
        with handshake(gate.port, context, HEADERS[1]) as other:
            assert is_from(gate, ask(other, key), SOURCE)
        assert gate.event("connections_turned_away")["client"] == "203.0.113.1"


# --- who is not ----------------------------------------------------------------------------------


def end_of(client: RawClient) -> bytes:
    try:
        return client.receive_to_end()
    except (ConnectionResetError, ClosedError):
        return b""


@pytest.mark.parametrize(
    ("source", "sent", "cause"),
    [
        ("", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "missing"),
        ("", b"PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\nGET / HTTP/1.1\r\n\r\n", "malformed"),
        ("", b"PROXY TCP4 ", "timeout"),
        (ELSEWHERE, HEADERS[0] + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "network"),
    ],
)
@pytest.mark.parametrize("kind", ["gate", "tls_gate"])
def test_a_connection_without_a_valid_header_is_closed_without_a_word(
    source: str, sent: bytes, cause: str, kind: str, request: pytest.FixtureRequest
) -> None:
    gate: Gate = request.getfixturevalue(kind)
    with RawClient(gate.host, gate.port, source=source) as client:
        client.send(sent)
        assert end_of(client) == b""

    def logged() -> bool | None:
        events = [each for each in gate.events() if each["event"] == "proxy_protocol_refused"]
        return any(each["cause"] == cause for each in events) or None

    gate.process.wait_until(logged, f"the event of {cause}", 20.0)


def test_operators_ask_with_a_header_too(gate: Gate) -> None:
    """So does ``headgate health``, which is the health check of a container."""
    for source, header in ((SOURCE, HEADERS[1]), ("127.0.0.1", LOCAL)):
        with RawClient(*gate.ops) as client:
            client.send(header + request_head("GET", "/livez", host="127.0.0.1"))
            assert client.response().body == b"ok\n", source
    with RawClient(*gate.ops) as client:
        client.send(request_head("GET", "/livez", host="127.0.0.1"))
        assert end_of(client) == b""
    settings = {
        "HEADGATE_OPS__LISTEN": "{}:{}".format(*gate.ops),
        "HEADGATE_OPS__PROXY_PROTOCOL": "10.0.0.1",
    }
    assert examine(None, settings) == OwnHealth(True, "ok")


def test_cuts_are_counted(gate: Gate, key: str) -> None:
    with RawClient(gate.host, gate.port) as client:
        client.send(b"\x00")
        assert end_of(client) == b""

    def counted() -> bool | None:
        with RawClient(*gate.ops) as client:
            client.send(LOCAL + request_head("GET", "/metrics", host="127.0.0.1"))
            text = client.response().body.decode()
        lines = [each for each in text.splitlines() if 'limit="proxy_header"' in each]
        return any(float(each.rsplit(" ", 1)[1]) >= 1 for each in lines) or None

    gate.process.wait_until(counted, "the cut in the metrics", 20.0)


def test_a_reload_switches_it_on_and_off(
    tmp_path: Path, upstream: RecordingUpstream, key: str, folder: Path
) -> None:
    file = tmp_path / "headgate.toml"
    file.write_text("# All as by default.\n", encoding="utf-8")
    settings = {"HEADGATE_CONFIG": str(file), "HEADGATE_DATA": str(folder / "data")}
    with running_gate(tmp_path, upstream.url, settings) as gate, gate.connect() as before:
        assert ask(before, key).status == 200

        def with_header() -> bool | None:
            with gate.connect() as client:
                client.send(HEADERS[0])
                try:
                    return ask(client, key).status == 200 or None
                except (ClosedError, OSError):
                    return None

        def without() -> bool | None:
            with gate.connect() as client:
                try:
                    return ask(client, key).status == 200 or None
                except (ClosedError, OSError):
                    return None

        assert (with_header(), without()) == (None, True)
        file.write_text('[listen]\nproxy_protocol = ["127.0.0.1"]\n', encoding="utf-8")
        gate.process.signal(signal.SIGHUP)
        gate.process.wait_until(with_header, "PROXY protocol in force", 20.0)
        assert without() is None
        assert ask(before, key).status == 200  # an open connection goes on
        file.write_text("# As before.\n", encoding="utf-8")
        gate.process.signal(signal.SIGHUP)
        gate.process.wait_until(without, "PROXY protocol off", 20.0)


# --- another reader ------------------------------------------------------------------------------


def mutated(random_: random.Random) -> bytes:
    v4 = [".".join(str(random_.randrange(256)) for _ in range(4)) for _ in range(2)]
    v6 = [":".join(f"{random_.randrange(65_536):x}" for _ in range(8)) for _ in range(2)]
    made = bytearray(
        random_.choice(
            [
                line(v4[0], v4[1], random_.randrange(65_536), 443),
                line(v6[0], v6[1], random_.randrange(65_536), 443),
                block(v4[0], v4[1], field(0x04, b"pad")),
                with_checksum(block(v4[0], v4[1])),
                with_checksum(block(v6[0], v6[1], field(0x01, b"http/1.1"))),
                LOCAL,
            ]
        )
    )
    for _ in range(random_.choice([0, 0, 1, 1, 2])):
        at = random_.randrange(len(made))
        if random_.random() < 0.5:
            made[at] = random_.choice(b"0123456789abcdef. :\r\n\x00\x03\x20\x21\x11")
        elif random_.random() < 0.5:
            made[at] ^= 1 << random_.randrange(8)
        else:
            del made[at]
    return bytes(made)


def test_what_is_accepted_haproxy_reads_in_the_same_way(tmp_path: Path) -> None:
    """HAProxy accepts more: it is asked about everything that this reader accepts."""
    random_ = random.Random(7)  # noqa: S311
    accepted = 0
    with header_reader(tmp_path) as port:
        for _ in range(600):
            sent = mutated(random_)
            reader = ProxyHeaderReader(1024)
            try:
                used = reader.feed(sent)
            except ProxyHeaderError:
                continue
            if not reader.done or used != len(sent):
                continue
            accepted += 1
            with RawClient("127.0.0.1", port, source=CLIENT) as client:
                client.send(sent + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                seen = client.response().body.decode()
            assert seen == (reader.source or CLIENT), sent
    assert accepted >= 200
