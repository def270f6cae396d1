"""Several upstreams behind one gate: each with its own prefix, credentials and limits."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.gate import Gate, bearer, create_key, running_gate
from tests.support.recording_upstream import RecordedRequest, RecordingUpstream
from tests.support.scripts import fixed, raw, response_bytes, routed

NAMES = ("default", "shown", "passed")
ARTIFACT = "/api/2.0/mlflow-artifacts/artifacts/model.bin"
SEARCH = "/api/2.0/mlflow/experiments/search"
JSON = "Content-Type: application/json"
SECONDS = 20.0
LOGIN = response_bytes(
    b"You are not authenticated.",
    'WWW-Authenticate: Basic realm="mlflow"',
    status=401,
    content_type="text/html",
)


@dataclass(frozen=True)
class Scene:
    """A gate, what is behind it by name, its key, and the file with the password."""

    gate: Gate
    upstreams: dict[str, RecordingUpstream]
    key: str
    secret: Path

    def asks(self, name: str, *fields: str, path: str = "/version") -> RecordedRequest:
        """Ask through the prefix of one upstream; what it was sent."""
        prefix = "" if name == "default" else f"/{name}"
        upstream = self.upstreams[name]
        before = len(upstream.requests)
        assert self.gate.ask("GET", f"{prefix}{path}", *fields).body == name.encode()
        return upstream.request(before)

    def status(self, prefix: str, method: str, path: str, size: int) -> int:
        fields = (bearer(self.key), JSON)
        body = b" " * (size - 2) + b"{}"
        return self.gate.ask(method, f"{prefix}{path}", *fields, body=body).status


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    secret = tmp_path / "password"
    secret.write_text("not-a-real-secret\n", encoding="utf-8")
    with ExitStack() as stack:
        upstreams = {
            name: stack.enter_context(RecordingUpstream(fixed(name.encode()))) for name in NAMES
        }
        file = tmp_path / "headgate.toml"
        file.write_text(
            f"""
            [limits]
            body_bytes = 1000
            artifact_body_bytes = 2000
            [upstreams.default]
            url = "{upstreams["default"].url}"
            [upstreams.shown]
            url = "{upstreams["shown"].url}"
            prefixes = ["/shown"]
            probes.interval = 0
            limits.body_bytes = 100
            [upstreams.shown.credentials]
            policy = "replace"
            username = "gate"
            password_file = "{secret}"
            [upstreams.passed]
            url = "{upstreams["passed"].url}"
            prefixes = ["/passed"]
            probes.interval = 0
            credentials.policy = "pass"
            limits.artifact_body_bytes = 0
            """,
            encoding="utf-8",
        )
        key = create_key(tmp_path / "data", "client")
        gate = stack.enter_context(running_gate(tmp_path, None, {"HEADGATE_CONFIG": str(file)}))
        yield Scene(gate, upstreams, key, secret)


def test_each_is_shown_the_credentials_that_its_policy_allows(scene: Scene) -> None:
    given = bearer(scene.key)
    assert scene.asks("default", given).all(b"authorization") == []
    assert scene.asks("passed", given).all(b"authorization") == [f"Bearer {scene.key}".encode()]
    assert scene.asks("passed", f"X-API-Key: {scene.key}").all(b"authorization") == []
    cookies = (given, "Cookie: a=1", "Cookie: b=2")
    assert scene.asks("default", *cookies).all(b"cookie") == []
    assert scene.asks("shown", *cookies).all(b"cookie") == []
    assert scene.asks("passed", *cookies).all(b"cookie") == [b"a=1; b=2"]
    own = [b"Basic Z2F0ZTpub3QtYS1yZWFsLXNlY3JldA=="]
    for fields in ((given,), (f"X-API-Key: {scene.key}",)):
        request = scene.asks("shown", *fields)
        assert request.all(b"authorization") == own
        assert request.all(b"x-api-key") == []
        assert scene.key.encode() not in request.head


def test_the_gates_own_questions_bear_its_credentials(scene: Scene) -> None:
    scene.gate.ask("GET", "/-/health/models", key=scene.key)
    asked = {name: upstream.request(0) for name, upstream in scene.upstreams.items()}
    assert len(asked["shown"].all(b"authorization")) == 1
    assert asked["default"].all(b"authorization") == asked["passed"].all(b"authorization") == []


def test_a_secret_is_read_again_on_a_reload(scene: Scene) -> None:
    scene.asks("shown", bearer(scene.key))
    scene.secret.write_text("another-one", encoding="utf-8")
    scene.gate.process.signal(signal.SIGHUP)
    new = [b"Basic Z2F0ZTphbm90aGVyLW9uZQ=="]
    scene.gate.process.wait_until(
        lambda: scene.asks("shown", bearer(scene.key)).all(b"authorization") == new or None,
        "the new password",
        SECONDS,
    )


def test_each_has_limits_of_its_own(scene: Scene) -> None:
    for prefix, api, artifacts in (("", 1000, 2000), ("/shown", 100, 2000), ("/passed", 1000, 0)):
        assert scene.status(prefix, "POST", SEARCH, api) == 200
        assert scene.status(prefix, "POST", SEARCH, api + 1) == 413
        assert scene.status(prefix, "PUT", ARTIFACT, artifacts or 100_000) == 200
        if artifacts:
            assert scene.status(prefix, "PUT", ARTIFACT, artifacts + 1) == 413


def test_an_mlflow_that_asks_for_credentials_is_explained(scene: Scene) -> None:
    """Or else the client would take it for a refusal of its key."""
    for name in NAMES:
        scene.upstreams[name].scripts[:] = [routed({}, raw(LOGIN))]
    for prefix in ("", "/shown"):
        response = scene.gate.ask("POST", f"{prefix}{SEARCH}", JSON, key=scene.key, body=b"{}")
        assert (response.status, response.get("X-Headgate-Reason")) == (502, "upstream_credentials")
        assert "Your key is valid" in json.loads(response.body)["message"]
    response = scene.gate.ask("POST", f"/passed{SEARCH}", JSON, key=scene.key, body=b"{}")
    assert (response.status, response.get("WWW-Authenticate")) == (401, 'Basic realm="mlflow"')
