"""TLS from certificate files: who is trusted, what is refused, and what changes while it runs.

Handshakes are done in memory, without a network.
"""

from __future__ import annotations

import contextlib
import os
import pty
import shutil
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509

from headgate.config import ListenTls, Upstream, UpstreamTls
from headgate.errors import HeadgateError
from headgate.runtime.tls import ListenerTls
from headgate.upstreams.tls import upstream_context
from tests.support.certificates import Authority, Certificate


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


@pytest.fixture
def gate(authority: Authority) -> Certificate:
    return authority.issue("gate", "gate.example")


def settings(certificate: Certificate, client_ca: Path | None = None) -> ListenTls:
    return ListenTls(certificate=certificate.certificate, key=certificate.key, client_ca=client_ca)


def client_context(authority: Authority, own: Certificate | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority.certificate)
    if own is not None:
        context.load_cert_chain(own.certificate, own.key)
    return context


def handshake(
    server: ssl.SSLContext, client: ssl.SSLContext, name: str = "gate.example"
) -> ssl.SSLObject:
    """Do a handshake and say a word each way; returns the client's end.

    Raises:
        ssl.SSLError: one side refuses the other.
    """
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(to_client, to_server, server_hostname=name)
    there = server.wrap_bio(to_server, to_client, server_side=True)
    for step in (here.do_handshake, there.do_handshake, here.do_handshake, there.do_handshake):
        try:
            step()
        except ssl.SSLWantReadError:
            continue
    there.write(b"word")
    assert here.read(10) == b"word"
    return here


def serial_shown(end: ssl.SSLObject) -> int:
    shown = end.getpeercert(binary_form=True)
    assert shown is not None
    return x509.load_der_x509_certificate(shown).serial_number


def refreshed(tls: ListenerTls) -> bool:
    """Two looks: at the second one a change has settled."""
    return tls.refresh() or tls.refresh()


def test_the_certificate_is_shown(authority: Authority, gate: Certificate) -> None:
    end = handshake(ListenerTls(settings(gate)).context, client_context(authority))
    assert serial_shown(end) == gate.serial
    assert end.version() == "TLSv1.3"


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [([], None), (["http/1.1"], "http/1.1"), (["h2", "http/1.1"], "http/1.1"), (["h2"], None)],
)
def test_nothing_but_http_1_1_is_agreed_on(
    offered: list[str], chosen: str | None, authority: Authority, gate: Certificate
) -> None:
    client = client_context(authority)
    if offered:
        client.set_alpn_protocols(offered)
    end = handshake(ListenerTls(settings(gate)).context, client)
    assert end.selected_alpn_protocol() == chosen


def test_old_versions_are_refused(authority: Authority, gate: Certificate) -> None:
    context = ListenerTls(settings(gate)).context
    client = client_context(authority)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    assert handshake(context, client).version() == "TLSv1.2"
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_a_renewed_certificate_is_shown_once_its_files_have_settled(
    authority: Authority, gate: Certificate
) -> None:
    tls = ListenerTls(settings(gate))
    client = client_context(authority)
    assert not refreshed(tls)
    renewed = authority.issue("gate", "gate.example")
    assert serial_shown(handshake(tls.context, client)) == gate.serial
    assert refreshed(tls)
    assert serial_shown(handshake(tls.context, client)) == renewed.serial
    assert not refreshed(tls)


def test_a_certificate_without_its_new_key_is_not_taken(
    authority: Authority, gate: Certificate
) -> None:
    """The old pair stays in use, and the new one is taken when it is whole."""
    tls = ListenerTls(settings(gate))
    client = client_context(authority)
    old_key = gate.key.read_bytes()
    renewed = authority.issue("gate", "gate.example")
    new_key = gate.key.read_bytes()
    gate.key.write_bytes(old_key)
    with pytest.raises(HeadgateError, match="does not belong to"):
        refreshed(tls)
    assert serial_shown(handshake(tls.context, client)) == gate.serial
    assert not refreshed(tls)  # only the first look finds it
    gate.key.write_bytes(new_key)
    assert refreshed(tls)
    assert serial_shown(handshake(tls.context, client)) == renewed.serial


def test_a_certificate_that_is_gone_stays_in_use(authority: Authority, gate: Certificate) -> None:
    tls = ListenerTls(settings(gate))
    gate.certificate.unlink()
    with pytest.raises(HeadgateError, match="No such file"):
        refreshed(tls)
    end = handshake(tls.context, client_context(authority))
    assert serial_shown(end) == gate.serial


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_clients_need_a_certificate_of_the_named_authorities(
    version: ssl.TLSVersion, authority: Authority, gate: Certificate, tmp_path: Path
) -> None:
    others = Authority(tmp_path, "others")
    context = ListenerTls(settings(gate, authority.certificate)).context

    def connect(own: Certificate | None) -> None:
        client = client_context(authority, own)
        client.minimum_version = client.maximum_version = version
        handshake(context, client)

    connect(authority.issue("client"))
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        connect(None)
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        connect(others.issue("stranger"))


def test_changed_authorities_hold_from_the_next_handshake_on(
    authority: Authority, gate: Certificate, tmp_path: Path
) -> None:
    """Those that are no longer named are no longer trusted."""
    others = Authority(tmp_path, "others")
    trusted = tmp_path / "trusted.pem"
    shutil.copy(authority.certificate, trusted)
    tls = ListenerTls(settings(gate, trusted))
    of_one, of_other = (
        client_context(authority, each.issue(name))
        for each, name in ((authority, "client"), (others, "stranger"))
    )
    handshake(tls.context, of_one)
    shutil.copy(others.certificate, trusted)
    assert refreshed(tls)
    handshake(tls.context, of_other)
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        handshake(tls.context, of_one)


@pytest.mark.parametrize("client_ca", [False, True])
def test_sessions_of_clients_with_certificates_are_not_taken_up_again(
    *, client_ca: bool, authority: Authority, gate: Certificate
) -> None:
    """A session begun under other authorities would slip past those of today."""
    trusted = authority.certificate if client_ca else None
    context = ListenerTls(settings(gate, trusted)).context
    client = client_context(authority, authority.issue("client"))
    first = handshake(context, client)
    session = first.session
    assert session is None or session.has_ticket is not client_ca


Break = Callable[[Certificate, Authority], None]


def remove_certificate(files: Certificate, _authority: Authority) -> None:
    files.certificate.unlink()


def remove_key(files: Certificate, _authority: Authority) -> None:
    files.key.unlink()


def empty_certificate(files: Certificate, _authority: Authority) -> None:
    files.certificate.write_text("")


def empty_key(files: Certificate, _authority: Authority) -> None:
    files.key.write_text("no key")


def folder_for_key(files: Certificate, _authority: Authority) -> None:
    files.key.unlink()
    files.key.mkdir()


def key_of_another(files: Certificate, authority: Authority) -> None:
    shutil.copy(authority.issue("another").key, files.key)


BROKEN: list[tuple[Break, str]] = [
    (remove_certificate, "{certificate} cannot be read: No such file or directory"),
    (remove_key, "{key} cannot be read: No such file or directory"),
    (folder_for_key, "{key} cannot be read: Is a directory"),
    (empty_certificate, "{certificate} contains no certificate in PEM format"),
    (empty_key, "{key} contains no private key in PEM format"),
    (
        key_of_another,
        "the private key in {key} does not belong to the certificate in {certificate}",
    ),
]


@pytest.mark.parametrize(("harm", "message"), BROKEN)
def test_the_file_that_is_not_fit_is_named(
    harm: Break, message: str, authority: Authority, gate: Certificate
) -> None:
    """For the listener's certificate and for the one shown to MLflow alike."""
    harm(gate, authority)
    expected = message.format(certificate=gate.certificate, key=gate.key)
    with pytest.raises(HeadgateError) as caught:
        ListenerTls(settings(gate))
    assert str(caught.value) == expected
    own = UpstreamTls(certificate=gate.certificate, key=gate.key)
    with pytest.raises(HeadgateError) as caught:
        upstream_context(Upstream(url="https://mlflow", tls=own))
    assert str(caught.value) == expected


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_authorities_that_are_none_are_named(
    content: bytes | None, gate: Certificate, tmp_path: Path
) -> None:
    file = tmp_path / "trusted.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(HeadgateError, match=str(file)):
        ListenerTls(settings(gate, file))
    with pytest.raises(HeadgateError, match=str(file)):
        upstream_context(Upstream(url="https://mlflow", tls=UpstreamTls(ca=file)))


def test_nobody_is_asked_for_the_passphrase_of_a_key(authority: Authority) -> None:
    """OpenSSL would ask on the terminal, and all would wait."""
    encrypted = authority.issue("encrypted", "gate.example", passphrase="any words")
    pid, terminal = pty.fork()
    if pid == 0:
        try:
            ListenerTls(settings(encrypted))
        except HeadgateError as error:
            os.write(1, str(error).encode())
        finally:
            os._exit(0)
    said = b""
    with contextlib.suppress(OSError):  # so a terminal ends
        while data := os.read(terminal, 1000):
            said += data
    os.close(terminal)
    assert os.waitpid(pid, 0)[1] == 0
    assert said.decode().startswith(f"{encrypted.key} is encrypted")
    own = UpstreamTls(certificate=encrypted.certificate, key=encrypted.key)
    with pytest.raises(HeadgateError, match="is encrypted"):
        upstream_context(Upstream(url="https://mlflow", tls=own))


def test_no_context_for_a_plain_upstream() -> None:
    assert upstream_context(Upstream(url="http://mlflow:5000")) is None


def mlflow_side(certificate: Certificate, client_ca: Path | None = None) -> ssl.SSLContext:
    return ListenerTls(settings(certificate, client_ca)).context


def test_an_upstream_is_verified_unless_nobody_says_otherwise(authority: Authority) -> None:
    """Without authorities of its own the system's are trusted, which know none of this test's."""
    context = upstream_context(Upstream(url="https://mlflow"))
    assert context is not None
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
        handshake(mlflow_side(authority.issue("mlflow", "mlflow")), context, "mlflow")


def test_named_authorities_are_trusted_alone(authority: Authority, tmp_path: Path) -> None:
    context = upstream_context(
        Upstream(url="https://mlflow", tls=UpstreamTls(ca=authority.certificate))
    )
    assert context is not None
    assert len(context.get_ca_certs()) == 1
    handshake(mlflow_side(authority.issue("mlflow", "mlflow")), context, "mlflow")
    stranger = Authority(tmp_path, "stranger").issue("other", "mlflow")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(mlflow_side(stranger), context, "mlflow")


def test_an_upstreams_certificate_must_bear_its_name(authority: Authority) -> None:
    context = upstream_context(
        Upstream(url="https://mlflow", tls=UpstreamTls(ca=authority.certificate))
    )
    assert context is not None
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(mlflow_side(authority.issue("other", "other")), context, "mlflow")


def test_an_upstream_may_be_shown_a_certificate(authority: Authority) -> None:
    own = authority.issue("own")
    mlflow = mlflow_side(authority.issue("mlflow", "mlflow"), authority.certificate)
    for shown in (UpstreamTls(ca=authority.certificate), None):
        context = upstream_context(
            Upstream(
                url="https://mlflow",
                tls=shown
                or UpstreamTls(ca=authority.certificate, certificate=own.certificate, key=own.key),
            )
        )
        assert context is not None
        if shown is None:
            handshake(mlflow, context, "mlflow")
        else:
            with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
                handshake(mlflow, context, "mlflow")
