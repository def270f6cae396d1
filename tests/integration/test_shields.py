"""Requests of the shape of published exploits: the gate stops each, and passes its harmless twin.

Those that MLflow itself still takes are tried against a real one; of all of them a gate without
shields shows that they would have been forwarded.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from headgate.cli import main
from headgate.config import ShieldRule
from tests.support.client import credential, run_client
from tests.support.gate import Gate, running_gate
from tests.support.keys import make_key
from tests.support.mlflow_server import MlflowServer
from tests.support.raw import RawResponse
from tests.support.recording_upstream import RecordingUpstream
from tests.support.scripts import fixed
from tests.support.world import World

JSON = "Content-Type: application/json"
RUN = "0123456789abcdef0123456789abcdef"
METADATA = "http://169.254.169.254/latest/meta-data"
HOOK = "https://hooks.example.com/services/x"
PROMPT = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]


@dataclass(frozen=True)
class Pair:
    """An exploit-shaped request and a harmless one; a message in place of a body."""

    rule: ShieldRule
    method: str
    bad: str
    good: str
    bad_message: dict[str, Any] | None = None
    good_message: dict[str, Any] | None = None


def in_target(rule: ShieldRule, method: str, target: str, bad: str, good: str) -> Pair:
    """``{}`` in the target is what differs."""
    return Pair(rule, method, target.replace("{}", bad), target.replace("{}", good))


def in_body(
    rule: ShieldRule, method: str, target: str, bad: dict[str, Any], good: dict[str, Any]
) -> Pair:
    return Pair(rule, method, target, target, bad, good)


def source(text: str, **more: object) -> dict[str, Any]:
    return {"name": "m", "source": text, **more}


EXPERIMENT = "/api/2.0/mlflow/experiments/create"
VERSION = "/api/2.0/mlflow/model-versions/create"
GOOD_SOURCE = source(f"mlflow-artifacts:/1/{RUN}/artifacts/model", run_id=RUN)
REGISTER = "/api/3.0/mlflow/scorers/register"


def scorer(**changes: object) -> dict[str, Any]:
    """What registers a scorer of another library, as MLflow's client serializes it."""
    data = {"module": "mlflow.genai.scorers.deepeval", "class": "Bias", "metric_name": "Bias"}
    text = json.dumps({"name": "s", "third_party_scorer_data": data | {"kwargs": {}} | changes})
    return {"experiment_id": "0", "name": "s", "serialized_scorer": text}


PAIRS = {
    "CVE-2026-116692 a module below an allowed one": in_body(
        ShieldRule.SCORER,
        "POST",
        REGISTER,
        scorer(module=f"mlflow.genai.scorers.deepeval.{RUN}.artifacts.evil"),
        scorer(),
    ),
    "CVE-2026-115886 a destination among the arguments": in_body(
        ShieldRule.SCORER,
        "POST",
        REGISTER,
        scorer(kwargs={"model_kwargs": {"api_base": "http://169.254.169.254/"}}),
        scorer(kwargs={"threshold": 0.5}),
    ),
    "CVE-2023-6909 dot segments in a query": in_target(
        ShieldRule.TRAVERSAL,
        "GET",
        f"/get-artifact?run_uuid={RUN}&path={{}}",
        "../../../../etc/passwd",
        "model/MLmodel",
    ),
    "CVE-2024-1560 encoded twice": in_target(
        ShieldRule.TRAVERSAL,
        "GET",
        "/api/2.0/mlflow-artifacts/artifacts?path={}",
        "1%2F%252e%252e%2F%252e%252e",
        quote(f"1/{RUN}/artifacts", safe=""),
    ),
    "CVE-2023-30172 absolute": in_target(
        ShieldRule.TRAVERSAL,
        "GET",
        f"/api/2.0/mlflow/artifacts/list?run_id={RUN}&path={{}}",
        "%2Fetc",
        "a%20folder",
    ),
    "CVE-2023-1177 of a version": in_target(
        ShieldRule.TRAVERSAL,
        "GET",
        "/model-versions/get-artifact?name=m&version=1&path={}",
        "..%5C..%5Cetc",
        "MLmodel",
    ),
    "a run that is a path": in_target(
        ShieldRule.TRAVERSAL, "GET", "/get-artifact?path=x&run_uuid={}", "..%2F..%2Fetc", RUN
    ),
    "a presigned upload": in_body(
        ShieldRule.TRAVERSAL,
        "POST",
        "/api/2.0/mlflow/artifacts/presigned-upload-url",
        {"run_id": RUN, "path": "../../x"},
        {"run_id": RUN, "path": "a/x"},
    ),
    "GHSA-wxj7 the deployments proxy": in_body(
        ShieldRule.TRAVERSAL,
        "POST",
        "/ajax-api/2.0/mlflow/gateway-proxy",
        {"gateway_path": "@evil.example/x", "json_data": {}},
        {"gateway_path": "gateway/chat/invocations", "json_data": {}},
    ),
    "CVE-2024-1483 a # in a location": in_body(
        ShieldRule.STORED_LOCATION,
        "POST",
        EXPERIMENT,
        {"name": "x", "artifact_location": "http:///#/../../../../etc"},
        {"name": "x", "artifact_location": "mlflow-artifacts:/team-a"},
    ),
    "CVE-2024-3573 no scheme": in_body(
        ShieldRule.STORED_LOCATION,
        "POST",
        EXPERIMENT,
        {"name": "x", "artifactLocation": "/etc"},
        {"name": "x"},
    ),
    "CVE-2024-8859 dbfs": in_body(
        ShieldRule.STORED_LOCATION, "POST", VERSION, source("dbfs:/etc"), GOOD_SOURCE
    ),
    "CVE-2025-11201 a source that climbs": in_body(
        ShieldRule.STORED_LOCATION,
        "POST",
        VERSION,
        source(f"mlflow-artifacts:/1/{RUN}/../../../etc", run_id=RUN),
        GOOD_SOURCE,
    ),
    "CVE-2026-2614 the tag of a prompt": in_body(
        ShieldRule.STORED_LOCATION,
        "POST",
        VERSION,
        source("file:///etc", tags=PROMPT),
        source("prompt-template", tags=PROMPT),
    ),
    "the location of a trace": in_body(
        ShieldRule.STORED_LOCATION,
        "PATCH",
        "/api/2.0/mlflow/traces/tr-1/tags",
        {"key": "mlflow.artifactLocation", "value": "/etc"},
        {"key": "reviewed", "value": "/etc"},
    ),
    "CVE-2024-3099 an escaped name": in_body(
        ShieldRule.ESCAPED_NAME,
        "POST",
        "/api/2.0/mlflow/registered-models/create",
        {"name": "team%2Fmodel"},
        {"name": "team model"},
    ),
    "CVE-2026-2393 a webhook": in_body(
        ShieldRule.PRIVATE_TARGET,
        "POST",
        "/api/2.0/mlflow/webhooks",
        {"name": "x", "url": METADATA},
        {"name": "x", "url": HOOK},
    ),
    "GHSA-h7x2 an api_base": in_body(
        ShieldRule.PRIVATE_TARGET,
        "POST",
        "/api/3.0/mlflow/gateway/secrets/create",
        {"secret_name": "x", "auth_config": {"api_base": "http://2852039166/"}},
        {"secret_name": "x", "auth_config": {"api_base": "https://api.example.com/v1"}},
    ),
    "CVE-2025-0453 a batch of aliases": in_body(
        ShieldRule.GRAPHQL_BOUNDS,
        "POST",
        "/graphql",
        {
            "query": "{"
            + "".join(f"a{n}: test(inputString: 1) {{output}} " for n in range(200))
            + "}"
        },
        {"query": "{ test(inputString: 1) { output } }"},
    ),
    "GHSA-7xcw the assistant": Pair(
        ShieldRule.ASSISTANT,
        "POST",
        "/ajax-api/3.0/mlflow/assistant/message",
        EXPERIMENT,
        {"message": "run id"},
        {"name": "x"},
    ),
}


@dataclass(frozen=True)
class Watched:
    """Two gates in front of one recording upstream, and a key of an administrator for each."""

    upstream: RecordingUpstream
    shielded: Gate
    bare: Gate
    shielded_key: str
    bare_key: str

    def ask(self, pair: Pair, *, bad: bool, shielded: bool) -> tuple[RawResponse, bytes]:
        """Send one of a pair; what was answered, and which body was sent."""
        gate, key = (self.shielded, self.shielded_key) if shielded else (self.bare, self.bare_key)
        message = pair.bad_message if bad else pair.good_message
        body = json.dumps(message).encode() if message is not None else b""
        fields = (JSON,) if body else ()
        target = pair.bad if bad else pair.good
        return gate.ask(pair.method, target, *fields, key=key, body=body), body


def admin_key(folder: Path) -> str:
    """A key that may do everything, in the store of a gate below ``folder``."""
    return make_key(folder / "data", "admin", ["admin"])


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    shielded, bare = tmp_path_factory.mktemp("shielded"), tmp_path_factory.mktemp("bare")
    keys = admin_key(shielded), admin_key(bare)
    off = {"HEADGATE_SHIELDS__DISABLED": ",".join(ShieldRule)}
    with (
        RecordingUpstream(fixed()) as upstream,
        running_gate(shielded, upstream.url) as strict,
        running_gate(bare, upstream.url, off) as lax,
    ):
        yield Watched(upstream, strict, lax, *keys)


@pytest.fixture(scope="module")
def admin(
    tmp_path_factory: pytest.TempPathFactory, mlflow_server: MlflowServer
) -> Iterator[tuple[Gate, str]]:
    """A gate in front of a real MLflow, and the key of an administrator."""
    folder = tmp_path_factory.mktemp("admin")
    key = admin_key(folder)
    with running_gate(folder, mlflow_server.url) as gate:
        yield gate, key


@pytest.mark.parametrize("name", PAIRS)
def test_an_exploit_is_stopped_and_its_twin_is_not(name: str, watched: Watched) -> None:
    """Without shields both reach MLflow, with them the harmless one alone, each byte as sent."""
    pair = PAIRS[name]
    for bad, shielded in ((True, False), (False, False), (False, True)):
        before = len(watched.upstream.requests)
        response, body = watched.ask(pair, bad=bad, shielded=shielded)
        assert response.status == 200, response
        arrived = watched.upstream.request(before)
        target = pair.bad if bad else pair.good
        assert arrived.request_line == f"{pair.method} {target} HTTP/1.1".encode()
        assert bytes(arrived.body) == body

    before = len(watched.upstream.requests)
    response, _ = watched.ask(pair, bad=True, shielded=True)
    assert len(watched.upstream.requests) == before
    assert response.status in (400, 403)
    assert response.get("X-Headgate-Reason") in ("request_ambiguous", "forbidden")
    assert f"(shield {pair.rule})" in json.loads(response.body)["message"]
    line = watched.shielded.outcome(lambda line: line["request_id"] == response.get("X-Request-ID"))
    assert line["detail"] == f"shield {pair.rule}"


@pytest.mark.parametrize(
    ("path", "message", "twin"),
    [
        (
            "2.0/mlflow/experiments/create",
            {"name": "elsewhere", "artifact_location": "s3://bucket-of-another-team/x"},
            {"name": "here", "artifact_location": "mlflow-artifacts:/here"},
        ),
        (
            "2.0/mlflow/experiments/create",
            {"name": "on the server", "artifact_location": "/etc"},
            {"name": "by default"},
        ),
        ("2.0/mlflow/registered-models/create", {"name": "a%20b"}, {"name": "a b"}),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value,
)
def test_what_mlflow_itself_still_takes(
    path: str,
    message: dict[str, Any],
    twin: dict[str, Any],
    mlflow_server: MlflowServer,
    admin: tuple[Gate, str],
) -> None:
    """The newest MLflow tested takes it, the gate does not; the twin comes through the gate."""
    gate, key = admin
    refused = gate.ask("POST", f"/api/{path}", JSON, key=key, body=json.dumps(message).encode())
    assert "(shield " in json.loads(refused.body)["message"]
    passed = gate.ask("POST", f"/api/{path}", JSON, key=key, body=json.dumps(twin).encode())
    assert passed.status == 200, passed
    mlflow_server.call("POST", path, message)


SCORERS = """
import mlflow
from mlflow.genai.judges import make_judge
from mlflow.genai.scorers import Correctness, Guidelines, RelevanceToQuery, Safety, list_scorers

mlflow.set_experiment("scorers of the real client")
judge = make_judge(
    name="polite",
    instructions="Is {{ outputs }} polite? Answer with the keys api_base and fallbacks.",
    model="openai:/gpt-4o-mini",
    inference_params={"temperature": 0},
)
found = [judge, Guidelines(name="short", guidelines="no long texts"), Safety(), Correctness(),
         RelevanceToQuery()]
for each in found:
    each.register(name=each.name)
print(sorted(each.name for each in list_scorers()) == sorted(each.name for each in found))
"""


def test_scorers_of_the_real_client_are_registered(admin: tuple[Gate, str]) -> None:
    gate, key = admin
    done = run_client(SCORERS, gate.url, credential("bearer", key))
    assert done.stdout.splitlines()[-1:] == ["True"], done.stderr


def test_no_query_holds_a_worker_still(admin: tuple[Gate, str]) -> None:
    """With a pattern that reads each parameter in two ways the response would take 2**40 steps."""
    gate, key = admin
    for path in ("mlflow/artifacts/list", "mlflow-artifacts/artifacts"):
        query = "path=a&" * 40 + "path=!"
        response = gate.ask("GET", f"/api/2.0/{path}?{query}", key=key)
        assert response.status < 500, response


def test_a_compressed_body_is_refused_and_not_read_as_empty(admin: tuple[Gate, str]) -> None:
    """MLflow takes compressed JSON for none at all, and would answer about a missing field."""
    gate, key = admin
    body = gzip.compress(json.dumps({"name": "compressed"}).encode())
    for coding in ("gzip", "deflate", "Gzip", "br", "identity, gzip", "x"):
        field = f"Content-Encoding: {coding}"
        for path in ("experiments/create", "registered-models/create"):
            response = gate.ask("POST", f"/api/2.0/mlflow/{path}", JSON, field, key=key, body=body)
            assert response.status == 400, (coding, response)
            assert "compressed" in json.loads(response.body)["message"]
    plain = json.dumps({"name": "not compressed"}).encode()
    path = "/api/2.0/mlflow/experiments/create"
    passed = gate.ask("POST", path, JSON, "Content-Encoding: Identity", key=key, body=plain)
    assert passed.status == 200, passed


@pytest.mark.parametrize("way", ["/tags", ""])
def test_a_trace_keeps_its_location(
    way: str, mlflow_server: MlflowServer, admin: tuple[Gate, str], world: World
) -> None:
    """MLflow lets a tag lead it elsewhere; through the gate the tag stays the server's own."""
    gate, key = admin
    begun = mlflow_server.call(
        "POST", "2.0/mlflow/traces", {"experiment_id": world.experiment_id, "timestamp_ms": 1}
    )["trace_info"]
    path = f"/api/2.0/mlflow/traces/{begun['request_id']}"

    def leading_to(location: str) -> bytes:
        tag = {"key": "mlflow.artifactLocation", "value": location}
        end = {"timestamp_ms": 2, "status": "OK", "tags": [tag]}
        return json.dumps(tag if way else end).encode()

    def location() -> str:
        info = json.loads(mlflow_server.ask("GET", f"{path}/info").body)["trace_info"]
        (found,) = [each for each in info["tags"] if each["key"] == "mlflow.artifactLocation"]
        value: str = found["value"]
        return value

    own = location()
    target = path + way
    assert gate.ask("PATCH", target, JSON, key=key, body=leading_to("/etc")).status == 403
    assert gate.ask("PATCH", target, JSON, key=key, body=leading_to(own)).status == 200
    assert location() == own
    assert mlflow_server.ask("PATCH", target, JSON, body=leading_to("/etc")).status == 200
    assert location() == "/etc"


def test_an_artifact_is_no_page_of_mlflows(
    mlflow_server: MlflowServer, admin: tuple[Gate, str], world: World
) -> None:
    """A page that was stored as an artifact is saved or shown without scripts, never run."""
    gate, key = admin
    page = b"<script>alert(1)</script>"
    folder = world.artifact.rpartition("/")[0]
    store = "/api/2.0/mlflow-artifacts/artifacts"
    stored = gate.ask("PUT", f"{store}/{folder}/page.html", key=key, body=page)
    assert stored.status == 200
    for target in (
        f"{store}/{folder}/page.html",
        f"/get-artifact?run_uuid={world.run_id}&path=notes/page.html",
        f"/model-versions/get-artifact?name={world.model}&version=1&path=page.html",
    ):
        response = gate.ask("GET", target, key=key)
        assert (response.status, response.body) == (200, page)
        assert response.all("X-Content-Type-Options") == ["nosniff"]
        assert response.all("Content-Security-Policy") == ["sandbox; default-src 'none'"]
        disposition = response.all("Content-Disposition")
        assert [each.partition(";")[0] for each in disposition] == ["attachment"]
        assert disposition == (mlflow_server.ask("GET", target).all("Content-Disposition"))


def test_a_server_that_says_nothing_about_its_artifacts(tmp_path: Path) -> None:
    """What MLflow leaves out the gate adds, and nothing to a failure."""
    key = admin_key(tmp_path)
    with (
        RecordingUpstream(fixed(b"<script>", "X-Content-Type-Options: nosniff")) as upstream,
        running_gate(tmp_path, upstream.url) as gate,
    ):
        response = gate.ask("GET", "/get-artifact?run_uuid=a&path=x.html", key=key)
        assert response.all("Content-Disposition") == ["attachment"]
        assert response.all("X-Content-Type-Options") == ["nosniff"]
        assert gate.ask("GET", "/version", key=key).all("Content-Security-Policy") == []


def test_the_page_learns_that_there_is_no_assistant(
    mlflow_server: MlflowServer, gate: Gate, key: str
) -> None:
    """In the words of a server without one, to everybody; nothing of the server's own is shown."""
    for name in ("config", "providers"):
        target = f"/ajax-api/3.0/mlflow/assistant/{name}"
        own, ours = mlflow_server.ask("GET", target), gate.ask("GET", target, key=key)
        assert own.status == ours.status == 200
        told = json.loads(ours.body)
        assert told.keys() == json.loads(own.body).keys()
        assert not any(told.values())
        assert gate.ask("GET", target).status == 401
        assert gate.ask("HEAD", target, key=key).body == b""


def test_the_doctor_asks_for_the_version(
    gate: Gate,
    key: str,
    mlflow_server: MlflowServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every vulnerability on the list is named, each with what becomes of it."""
    version = mlflow_server.ask("GET", "/version").body.decode()
    monkeypatch.setenv("HEADGATE_API_KEY", key)
    code = main(["doctor", "cve", "--url", f"{gate.url}/mlflow", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["version"] == version
    standing = {each["id"]: each["standing"] for each in told["vulnerabilities"]}
    assert standing["CVE-2023-1177"] == "not affected"
    assert standing["CVE-2024-3099"] == "shielded"
    assert standing["CVE-2026-0596"] == "out of reach"
    assert code == (1 if "needs an upgrade" in standing.values() else 0)

    main(["doctor", "cve", "--url", gate.url])
    text = capsys.readouterr().out
    assert text.startswith(f"MLflow {version}, ")
    assert all(each in text for each in standing)


@pytest.mark.parametrize(
    ("path", "said"),
    [("", "refuses the key (401)"), ("/no/such/prefix", "does not tell a version")],
)
def test_the_doctor_says_what_is_wrong(
    path: str,
    said: str,
    gate: Gate,
    key: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HEADGATE_API_KEY", key if path else "not-a-key")
    assert main(["doctor", "cve", "--url", gate.url + path]) == 2
    assert said in capsys.readouterr().err
