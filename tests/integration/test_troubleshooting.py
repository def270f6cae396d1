"""The page about troubleshooting: each message that it shows was printed by the real client.

Every failure is caused, MLflow's client of two versions, curl and the OpenTelemetry exporter meet
it, and what they print has to be what the page shows under its heading.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from headgate.reasons import Reason
from tests.support.client_messages import Call, messages
from tests.support.failing_servers import Cast
from tests.support.gate import create_key
from tests.support.messages_of_pages import Block, blocks, shows
from tests.support.mlflow_server import MlflowServer, running_mlflow
from tests.support.mlflow_versions import CURRENT, python_with
from tests.support.processes import clean_environment
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import broken_off, raw, response_bytes

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/how-to/troubleshooting.md").read_text("utf-8")
SEARCH = "mlflow.search_experiments(max_results=1)"
CREATE = "mlflow.create_experiment('made')"
TAG = "mlflow.MlflowClient().set_experiment_tag('0', 'note', 'x' * 20_000)"
LOAD = "mlflow.pyfunc.load_model('models:/nobody@champion')"
DOWNLOAD = "mlflow.artifacts.download_artifacts('mlflow-artifacts:/0/none/artifacts/model')"
VERSIONS = (CURRENT, "2.22.5")
UPLOAD_TO_ANOTHERS_RUN = """
import pathlib, tempfile
client = mlflow.MlflowClient()
found = mlflow.get_experiment_by_name("of-a-writer")
(run, *_) = client.search_runs([found.experiment_id])
file = pathlib.Path(tempfile.mkdtemp(), "model.bin")
file.write_bytes(b"x")
client.log_artifact(run.info.run_id, str(file))
"""
EXPORT = """
import logging
logging.basicConfig()
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(timeout=3)))
with provider.get_tracer("t").start_as_current_span("work"):
    pass
"""

pytestmark = [
    pytest.mark.first,
    pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl"),
]


@dataclass
class Scene:
    """What is called for each heading of the page, and what was printed there."""

    calls: dict[str, list[Call]] = field(default_factory=dict)
    curls: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)
    printed: dict[str, list[str]] = field(default_factory=dict)

    def client(self, heading: str, uri: str, code: str = SEARCH, **environment: str) -> None:
        """Let MLflow's client make a call."""
        self.calls.setdefault(heading, []).append(Call(uri, code, environment))

    def curl(self, heading: str, *arguments: str) -> None:
        """Let curl send a request."""
        self.curls.setdefault(heading, []).append(arguments)

    def say(self, heading: str, output: str) -> None:
        """Keep what was printed."""
        self.printed.setdefault(heading, []).append(output)

    def play(self, home: Path) -> None:
        """Make all calls, those of a version of MLflow in one process."""
        order = [(heading, call) for heading, calls in self.calls.items() for call in calls]
        for version in VERSIONS:
            said = messages([call for _, call in order], home, python_with(version))
            for (heading, _), output in zip(order, said, strict=True):
                self.say(heading, output)
        for heading, each in self.curls.items():
            for arguments in each:
                self.say(heading, run("curl", "-sS", "-i", *arguments))


def run(*command: str, **environment: str) -> str:
    """What a command prints on both streams."""
    done = subprocess.run(
        command,
        env=clean_environment() | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout


def no_connection(scene: Scene, cast: Cast) -> None:
    scene.client("Connection refused", cast.dead)
    scene.curl("Connection refused", cast.dead)
    nowhere = "http://gate.nowhere.invalid:8080"
    scene.client("Name or service not known", nowhere)
    scene.curl("Name or service not known", nowhere)
    scene.client("Read timed out", cast.silent, MLFLOW_HTTP_REQUEST_TIMEOUT="1")
    scene.curl("Read timed out", "-m", "1", cast.silent)
    heading = "Remote end closed connection without response"
    scene.client(heading, cast.proxied)
    scene.curl(heading, f"{cast.proxied}/version")
    heading = "Connection reset by peer"
    broken = cast.stack.enter_context(RecordingUpstream(broken_off())).url
    for server in (broken, cast.proxied_tls):
        settings = {"MLFLOW_TRACKING_SERVER_CERT_PATH": str(cast.authority.certificate)}
        scene.client(heading, server, **settings)
        scene.curl(heading, "-k", f"{server}/version")
    scene.client("Unable to connect to proxy", nowhere, http_proxy=cast.dead)
    scene.client("Got unsupported URI", "mlflow.example.com:8080")
    scene.client("The tracking URI must be a valid http or https URI", "", DOWNLOAD)
    scene.client("Invalid url", "https:///mlflow")
    scene.client("Invalid url", "http://mlflow.example.com:80a")


def wrong_address(scene: Scene, cast: Cast) -> None:
    key = {"MLFLOW_TRACKING_TOKEN": cast.writer}
    heading = "This port serves HTTPS"
    scene.client(heading, cast.tls.replace("https", "http"), **key)
    scene.curl(heading, cast.tls.replace("https", "http"))
    heading = "Wrong version number"
    scene.client(heading, cast.gate.replace("http", "https"), **key)
    scene.curl(heading, cast.gate.replace("http", "https"))
    heading = "No such MLflow route"
    scene.client(heading, f"{cast.gate}/mlfow", **key)
    scene.curl(heading, "-u", f"any:{cast.writer}", f"{cast.gate}/mlfow/version")
    heading = "No such route: this path takes GET, HEAD"
    scene.client(heading, f"{cast.gate}/mlflow/#/experiments", **key)
    netrc = cast.folder / "netrc"  # is sent after a redirect, too
    netrc.write_text(f"machine 127.0.0.1 login any password {cast.writer}\n")
    heading = "No such route: this path takes POST"
    scene.client(heading, cast.redirecting(), CREATE, NETRC=str(netrc))


def certificates(scene: Scene, cast: Cast) -> None:
    authority = str(cast.authority.certificate)
    trusted = {"MLFLOW_TRACKING_TOKEN": cast.writer, "MLFLOW_TRACKING_SERVER_CERT_PATH": authority}
    heading = "Unable to get local issuer certificate"
    scene.client(heading, cast.tls, MLFLOW_TRACKING_TOKEN=cast.writer)
    scene.curl(heading, f"{cast.tls}/version")
    heading = "Could not find a suitable TLS CA certificate bundle"
    scene.client(heading, cast.tls, MLFLOW_TRACKING_SERVER_CERT_PATH="/etc/no-such-file.pem")
    for heading, certificate in (
        ("Certificate has expired", cast.authority.issue("old", "127.0.0.1", ended=True)),
        ("Certificate is not valid for this name", cast.authority.issue("other", "mlflow.corp")),
    ):
        server = cast.shown(certificate)
        scene.client(heading, server, **trusted)
        scene.curl(heading, "--cacert", authority, server)
    heading = "The server requires a client certificate"
    scene.client(heading, cast.mutual, **trusted)
    scene.curl(heading, "--cacert", authority, f"{cast.mutual}/version")


def refused_keys(scene: Scene, cast: Cast) -> None:
    elsewhere = create_key(cast.folder / "elsewhere", "stranger")
    heading = "It carries no API key"
    scene.client(heading, cast.gate)
    scene.client(heading, cast.gate, DOWNLOAD)
    scene.client(heading, cast.redirecting(), MLFLOW_TRACKING_TOKEN=cast.writer)
    scene.curl("It carries no API key", f"{cast.gate}/version")
    for heading, token in (
        ("Not known to this gate", elsewhere),
        ("Mistyped or truncated", cast.writer[:-3]),
        ("Starts with the word 'Bearer'", f"Bearer {cast.writer}"),
        ("Was revoked", cast.revoked),
        ("Not a Headgate key", "eyJhbGciOiJSUzI1NiJ9.e30.c2ln"),
        ("Invalid leading whitespace", f"{cast.writer}\n"),
    ):
        scene.client(heading, cast.gate, MLFLOW_TRACKING_TOKEN=token)
    scene.client(
        "In the Basic user name",
        cast.gate,
        MLFLOW_TRACKING_USERNAME=cast.writer,
        MLFLOW_TRACKING_PASSWORD="x",
    )


def refused_requests(scene: Scene, cast: Cast) -> None:
    key = {"MLFLOW_TRACKING_TOKEN": cast.writer}
    signed = ("-u", f"any:{cast.writer}")
    made = f"{cast.gate}/api/2.0/mlflow/experiments/create"
    heading = "Your key may not do this"
    scene.client(heading, cast.gate, CREATE, MLFLOW_TRACKING_TOKEN=cast.viewer)
    scene.client(heading, cast.gate, "log('of-a-writer')", **key)
    # Unlimited reads, unlike those of the viewer.
    scene.client(heading, cast.gate, UPLOAD_TO_ANOTHERS_RUN, MLFLOW_TRACKING_TOKEN=cast.reader)
    other = ("-H", "Origin: https://page.example", "-d", "{}")
    scene.curl("A page of another site", *signed, *other, made)
    heading = "Not an allowed location of artifacts"
    place = "mlflow.create_experiment('placed', artifact_location='s3://bucket/x')"
    scene.client(heading, cast.gate, place, **key)
    heading = "RESOURCE_DOES_NOT_EXIST"
    scene.client(heading, cast.gate, "mlflow.get_experiment('4711')", **key)
    scene.client(heading, cast.gate, LOAD, **key)
    scene.client("No such artifact", cast.gate, DOWNLOAD, **key)
    heading = "Its body is over … the limit for this route"
    scene.client(heading, f"{cast.gate}/small", TAG, **key)
    scene.client(heading, f"{cast.gate}/small", "log('big', 3_000_000)", **key)
    reads = {"MLFLOW_TRACKING_TOKEN": cast.viewer}
    for _ in range(3):
        scene.client("429", cast.gate, **reads)
    heading = "In excess of the maximum allowable retries"
    scene.client(heading, cast.gate, MLFLOW_HTTP_REQUEST_MAX_RETRIES="11")
    scene.client(heading, cast.gate, MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR="121")
    search = f"{cast.gate}/api/2.0/mlflow/experiments/search?max_results=1"
    for _ in range(2):
        scene.curl("429", "-u", f"any:{cast.viewer}", search)


def maintained(scene: Scene, cast: Cast) -> None:
    key = {"MLFLOW_TRACKING_TOKEN": cast.writer}
    signed = ("-u", f"any:{cast.writer}")
    search = "api/2.0/mlflow/experiments/search?max_results=1"
    scene.client("Parked for maintenance", f"{cast.gate}/parked", **key)
    scene.curl("Parked for maintenance", *signed, f"{cast.gate}/parked/{search}")
    write = ("-H", "Content-Type: application/json", "-d", '{"name": "made"}')
    create = "api/2.0/mlflow/experiments/create"
    scene.client("Read-only for maintenance", f"{cast.gate}/read-only", CREATE, **key)
    heading = "Read-only for maintenance"
    scene.curl(heading, *signed, *write, f"{cast.gate}/read-only/{create}")


def upstreams(scene: Scene, cast: Cast) -> None:
    key = {"MLFLOW_TRACKING_TOKEN": cast.writer}
    scene.client("502, 503 and 504", f"{cast.gate}/stopped", **key)
    scene.client("Too many 500 error responses", f"{cast.gate}/failing", **key)
    scene.client("Connection broken", f"{cast.gate}/half", DOWNLOAD, **key)
    for heading, prefix in (
        ("Too many 500 error responses", "failing"),
        ("upstream_connect", "stopped"),
        ("no_endpoint", "nowhere"),
        ("upstream_timeout", "silent"),
        ("upstream_reset", "reset"),
        ("upstream_tls", "locked"),
        ("upstream_host_refused", "host"),
        ("upstream_credentials", "login"),
        ("upstream_not_json", "page"),
    ):
        search = f"{cast.gate}/{prefix}/api/2.0/mlflow/experiments/search?max_results=1"
        scene.curl(heading, "-u", f"any:{cast.writer}", search)


def in_front(scene: Scene, cast: Cast) -> None:
    nginx = cast.nginx()
    upload = "log('big', 3_000_000)"
    heading = "413 Request Entity Too Large"
    scene.client(heading, nginx, upload, MLFLOW_TRACKING_TOKEN=cast.writer)
    page = raw(response_bytes(b"<html>Log in</html>", content_type="text/html"))
    login = cast.stack.enter_context(RecordingUpstream(page)).url
    scene.client("The response body was not in a valid JSON format", login)
    page = raw(response_bytes(b"<html>Blocked</html>", status=403, content_type="text/html"))
    firewall = cast.stack.enter_context(RecordingUpstream(page)).url
    heading = "Failed with error code 403 != 200"
    scene.client(heading, firewall)
    scene.client(heading, firewall, DOWNLOAD)
    scene.curl("502 Bad Gateway", f"{nginx}/stopped/version")
    scene.curl("504 Gateway Time-out", f"{nginx}/silent/version")


def exporters(scene: Scene, cast: Cast) -> None:
    for heading, prefix, key in (
        ("Failed to export span batch", "", "wrong"),
        ("Transient error encountered while exporting", "/stopped", cast.writer),
    ):
        settings = {
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{cast.gate}{prefix}/v1/traces",
            "OTEL_EXPORTER_OTLP_HEADERS": f"x-api-key={key},x-mlflow-experiment-id=0",
        }
        scene.say(heading, run(sys.executable, "-c", EXPORT, **settings))


def server_disk(scene: Scene, cast: Cast) -> None:
    """MLflow lets clients write to a folder that only the server has."""
    root = "/proc/mlflow-artifacts-of-the-server"  # where nobody, not even root, can make one
    folder = cast.folder / "own-disk"
    options = ("--no-serve-artifacts", "--default-artifact-root", root)
    server = cast.stack.enter_context(running_mlflow(folder, options=options))
    scene.client("Permission denied, or a folder on this machine", server.url, "log('there')")


@pytest.fixture(scope="module")
def scene(mlflow_server: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("troubleshooting")
    made = Scene()
    with ExitStack() as stack:
        cast = Cast(folder, stack, mlflow_server)
        for part in (no_connection, wrong_address, certificates, refused_keys, refused_requests):
            part(made, cast)
        for part in (maintained, upstreams, in_front, exporters, server_disk):
            part(made, cast)
        made.play(folder / "home")
        environment = {"GATE": cast.gate, "KEY": cast.writer}
        made.say("First look", _console("First look", environment))
        broken = environment | {"GATE": f"{cast.gate}/stopped"}
        made.say("The look at 503", _console("502, 503 and 504", broken))
    return made


def _console(heading: str, environment: Mapping[str, str]) -> str:
    """What the command prints that the page shows under a heading."""
    (block,) = (each for each in SHOWN if (each.heading, each.language) == (heading, "console"))
    command = block.text.splitlines()[0].removeprefix("$ ")
    return run("bash", "-c", command, **environment)


SHOWN = list(blocks(PAGE))
MESSAGES: list[Block] = [each for each in SHOWN if each.language == "text"]
DEPENDS_ON_TIME = "The server requires a client certificate"
NEWEST_ALONE = "Nothing arrives at the gate"  # older clients write to a folder, without a word


@pytest.mark.parametrize(
    "block",
    [each for each in MESSAGES if each.heading != NEWEST_ALONE],
    ids=lambda each: each.heading,
)
def test_the_clients_print_what_the_page_shows(block: Block, scene: Scene) -> None:
    printed = scene.printed[block.heading]
    lines = block.text.splitlines()
    for line in lines:
        shown = any(shows(line, output) for output in printed)
        assert shown or block.heading == DEPENDS_ON_TIME, f"nobody prints: {line}\n{printed}"
    for output in printed:
        if output:  # of the calls that are to meet a limit, the first ones do not
            assert any(shows(line, output) for line in lines), f"not on the page: {output}"


def test_nothing_arrives(tmp_path: Path) -> None:
    (block,) = (each for each in MESSAGES if each.heading == NEWEST_ALONE)
    (output,) = messages([Call("", SEARCH)], tmp_path)
    assert all(shows(line, output) for line in block.text.splitlines()), output


def test_the_first_look_shows_what_the_page_says(scene: Scene) -> None:
    for heading, played in (
        ("First look", "First look"),
        ("502, 503 and 504", "The look at 503"),
    ):
        (block,) = (each for each in SHOWN if (each.heading, each.language) == (heading, "console"))
        (output,) = scene.printed[played]
        for line in block.text.splitlines()[1:]:
            assert shows(line, output), output


def test_every_kind_of_failure_to_reach_mlflow_has_a_section() -> None:
    headings = {each.heading for each in MESSAGES}
    named = {str(each) for each in Reason if str(each).startswith("upstream_")}
    assert named - headings == {"upstream_error"}  # another server at MLflow's address
