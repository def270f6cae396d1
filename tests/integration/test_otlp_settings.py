"""Which settings of the export take effect while a gate runs, and how it reaches its collector."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
from pathlib import Path

from tests.support.certificates import Authority
from tests.support.gate import create_key, running_gate
from tests.support.otlp_receiver import OtlpReceiver
from tests.support.processes import clean_environment
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed
from tests.support.traced_gate import SERVER, Traced, traced
from tests.support.workers import kill_worker, worker_pids

SECONDS = 20.0


def write(file: Path, upstream: RecordingUpstream, telemetry: str) -> None:
    """Write a configuration as an editor does it: in one step."""
    draft = file.with_suffix(".draft")
    draft.write_text(f'[upstreams.default]\nurl = "{upstream.url}"\n{telemetry}')
    draft.rename(file)


def test_a_reload_switches_on_moves_and_switches_off(tmp_path: Path) -> None:
    file = tmp_path / "headgate.toml"
    key = create_key(tmp_path / "data", "ci")
    with RecordingUpstream(fixed()) as upstream, OtlpReceiver() as one, OtlpReceiver() as other:
        write(file, upstream, "")
        with running_gate(tmp_path, None, {"HEADGATE_CONFIG": str(file)}) as gate:
            first, second = (Traced(gate, each, upstream, key) for each in (one, other))
            table = '[telemetry.otlp]\nendpoint = "{}"\n[telemetry.traces]\nratio = {}\n'
            first.ask("before/1")

            write(file, upstream, table.format(one.url, 1))
            gate.event("configuration_reloaded", 1)
            first.ask("on/1")
            assert "before/1" not in first.spans_after("on/1")

            write(file, upstream, table.format(one.url, 0))
            gate.event("configuration_reloaded", 2)
            first.ask("none/1")

            write(file, upstream, table.format(other.url, 1))
            gate.event("configuration_reloaded", 3)
            first.ask("moved/1")
            assert not second.spans_after("moved/1") & {"on/1", "none/1"}

            write(file, upstream, table.format("ftp://other", 1))
            assert "telemetry.otlp.endpoint" in gate.event("configuration_refused")["message"]
            first.ask("kept/1")
            second.span("kept/1")

            write(file, upstream, "")
            gate.event("configuration_reloaded", 4)
            count = len(upstream.requests)
            assert first.ask("off/1").status == 200
            assert upstream.requests[count].all(b"traceparent") == []
    agents = {each.attributes.get("user_agent.original") for each in one.spans}
    assert "on/1" in agents
    assert not agents & {"before/1", "none/1", "moved/1", "kept/1", "off/1"}
    assert "off/1" not in {each.attributes.get("user_agent.original") for each in other.spans}


def test_header_fields_are_read_again_when_their_file_changes(tmp_path: Path) -> None:
    file = tmp_path / "headers"
    file.write_text("Authorization: Bearer canary-1\n")
    with traced(tmp_path, otlp__headers_file=str(file), otlp__metrics="false") as running:
        running.ask("first/1")
        running.span("first/1")
        assert running.receiver.requests[-1].headers["authorization"] == "Bearer canary-1"
        file.write_text("Authorization: Bearer canary-2\nX-Scope-OrgID: ml\n")

        def has_changed() -> bool | None:
            count = len(running.receiver.requests)
            running.ask("again")
            running.receiver.wait_until(lambda: len(running.receiver.requests) > count)
            headers = running.receiver.requests[-1].headers
            return headers["authorization"] == "Bearer canary-2" or None

        running.gate.process.wait_until(has_changed, "the new header fields", SECONDS)
        assert running.receiver.requests[-1].headers["x-scope-orgid"] == "ml"
        file.write_text("no field canary-3")
        running.gate.event("configuration_refused")
        running.ask("last/1")
        running.span("last/1")
        logs = running.gate.process.output.read_text() + running.gate.process.errors.read_text()
        assert "canary" not in logs
        assert b"canary" not in Path(f"/proc/{running.gate.process.pid}/cmdline").read_bytes()


def test_tls_with_a_private_authority_and_a_client_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "collectors")
    certificate = authority.issue("collector", "127.0.0.1")
    client = authority.issue("headgate-client")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(certificate.certificate, certificate.key)
    with traced(
        tmp_path,
        receiver=OtlpReceiver(tls=context),
        otlp__ca=str(authority.certificate),
        otlp__certificate=str(client.certificate),
        otlp__key=str(client.key),
    ) as running:
        running.ask("tls/1")
        running.span("tls/1")


def test_two_workers_export_one_gate(tmp_path: Path) -> None:
    """Spans come from both, metrics from one for both; a worker that is killed is replaced."""
    with traced(tmp_path, {"HEADGATE_LISTEN__WORKERS": "2"}) as running:
        for number in range(40):
            running.ask(f"both/{number}")
        for number in range(40):
            running.span(f"both/{number}")
        spans = [each for each in running.receiver.spans if each.kind == SERVER]
        assert len({each.resource["service.instance.id"] for each in spans}) == 1

        def counted(labels: dict[str, object], point: object) -> bool:
            is_all = getattr(point, "count", 0) >= 40
            return labels.get("headgate.family") == "meta" and is_all

        running.receiver.wait_for_points("http.server.request.duration", counted)
        for pid in worker_pids(running.gate.process):
            kill_worker(running.gate.process, pid, signal.SIGKILL)
        running.ask("replaced/1")
        running.span("replaced/1")
        _, point = running.receiver.wait_for_points(
            "http.server.request.duration",
            lambda labels, point: labels.get("headgate.family") == "meta" and point.count >= 41,
        )
        assert point.start_time_unix_nano < spans[0].start


def test_no_proxy_is_used(tmp_path: Path) -> None:
    proxies = dict.fromkeys(
        ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:1"
    )
    with traced(tmp_path, proxies) as running:
        running.ask("direct/1")
        running.span("direct/1")


def test_opentelemetrys_own_variables_are_enough(tmp_path: Path) -> None:
    with OtlpReceiver() as receiver, RecordingUpstream(fixed()) as upstream:
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "OTEL_EXPORTER_OTLP_HEADERS": "api-key=canary%20x",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
            "OTEL_SERVICE_NAME": "gate-a",
            "HEADGATE_TELEMETRY__TRACES__RATIO": "1",
        }
        key = create_key(tmp_path / "data", "ci")
        with running_gate(tmp_path, upstream.url, environment) as gate:
            running = Traced(gate, receiver, upstream, key)
            running.ask("variables/1")
            resource = running.span("variables/1").resource
            assert resource["deployment.environment.name"] == "test"
            assert resource["service.name"] == "gate-a"
            assert receiver.requests[-1].headers["api-key"] == "canary x"


def test_check_names_what_does_not_fit(tmp_path: Path) -> None:
    headers = tmp_path / "headers"
    headers.write_text("canary\n")
    environment = clean_environment() | {
        "HEADGATE_TELEMETRY__OTLP__ENDPOINT": "http://collector:4318",
        "HEADGATE_TELEMETRY__OTLP__HEADERS_FILE": str(headers),
    }
    done = subprocess.run(
        [sys.executable, "-m", "headgate", "check"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "telemetry.otlp" in done.stderr
    assert "canary" not in done.stderr
    assert os.access(headers, os.R_OK)
