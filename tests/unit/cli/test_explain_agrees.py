"""``headgate explain`` and the gate decide alike: for any prefixes, targets, methods and roles."""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.auth.chain import AuthenticatorChain
from headgate.cli import main
from headgate.config import Config
from headgate.config.files import Files
from headgate.contract import table
from headgate.dataplane.decisions import (
    Caller,
    Decision,
    Forward,
    Inspect,
    Pending,
    Refuse,
    Respond,
)
from headgate.decide.builder import PipelineBuilder
from headgate.model import AuthMethod, Phase, Principal
from headgate.policy import Roles
from headgate.testing.authenticators import ScriptedAuthenticator
from headgate.testing.dialogue import Dialogue
from headgate.upstreams.live import LiveUpstream
from headgate.wire.request import METHODS, read_request

PREFIXES = ("/", "/mlflow", "/lab", "/mlflow/lab", "/l", "/lab.x")
ROLES = {
    "team": {"grants": ["*:* on experiment team-a/*"]},
    "lab-only": {"grants": ["*:* in upstream lab"]},
}
PATHS = tuple(
    path.replace(":path}", "}").replace("{", "").replace("}", "")
    for row in table().rows
    for path in row.paths
)
ENDS = ("", "", "", "", "/", "//", ";x", "/..", "%2e", "%2F", "%", "%41", "?a=1", "?a=#", "\\")
allotted = st.dictionaries(st.sampled_from(PREFIXES), st.sampled_from(["default", "lab"]))
paths = st.sampled_from(PATHS) | st.sampled_from(
    ["", "/", "/nothing", "/api/2.0/preview/mlflow/runs/get", "/a//b", "/-/livez", "/-/x"]
)
targets = st.builds(
    "{}{}{}".format, st.sampled_from(["", *PREFIXES[1:], "/labx"]), paths, st.sampled_from(ENDS)
).filter(lambda target: target.startswith("/"))
roles = st.sampled_from(["viewer", "writer", "llm-user", "admin", *ROLES])
methods = st.sampled_from(sorted(each.decode() for each in METHODS))


def configuration(prefixes: dict[str, str]) -> dict[str, Any]:
    upstreams: dict[str, dict[str, Any]] = {
        name: {
            "url": f"http://{name}:5000",
            "prefixes": [
                f"/only-{name}",
                *(prefix for prefix, each in prefixes.items() if each == name),
            ],
        }
        for name in ("default", "lab")
    }
    return {"upstreams": upstreams, "roles": ROLES}


def decided(config: Config, method: str, target: str, role: str) -> Decision:
    """What the gate decides, with the pipeline that it builds for a configuration."""
    grants = Roles(config.roles).grants_for("NAME", [role])
    principal = Principal("k_00000001", "NAME", AuthMethod.KEY, grants=grants)
    chain = AuthenticatorChain([ScriptedAuthenticator({"secret": principal})], lambda: 0.0)
    builder = PipelineBuilder(chain, lambda _event: None)
    upstreams = {
        name: LiveUpstream(name, each, config.limits, Files())
        for name, each in config.upstreams.items()
    }
    pipeline = builder.build(config, upstreams, Dialogue().balancer)
    head = f"{method} {target} HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer secret\r\n\r\n"
    return pipeline.decide(read_request(head.encode(), 100), Caller("192.0.2.1", "https"))


def explained(file: Path, method: str, target: str, role: str) -> tuple[int, dict[str, Any]]:
    """What the command prints as JSON, and its exit code."""
    output = io.StringIO()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HEADGATE")}
    arguments = ["explain", method, target, "--role", role, "--json", "--config", str(file)]
    with mock.patch.dict(os.environ, clean, clear=True), contextlib.redirect_stdout(output):
        code = main(arguments)
    return code, json.loads(output.getvalue())


def as_toml(config: dict[str, Any]) -> str:
    lines = []
    for section in ("upstreams", "roles"):
        for name, each in config[section].items():
            lines.append(f"[{section}.{name}]")
            lines += [f"{key} = {json.dumps(value)}" for key, value in each.items()]
    return "\n".join(lines)


@given(allotted, methods, targets, roles)
@settings(max_examples=200, deadline=None)
def test_the_command_says_what_the_gate_decides(
    prefixes: dict[str, str], method: str, target: str, role: str
) -> None:
    """The same route, or the same reason and the same sentence of a refusal."""
    written = configuration(prefixes)
    config = Config.model_validate(written)
    decision = decided(config, method, target, role)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "headgate.toml")
        file.write_text(as_toml(written))
        code, said = explained(file, method, target, role)
    verdict = said["decision"]
    assert code == isinstance(decision, Refuse), said
    match decision:
        case Refuse():
            assert verdict == ["denied", decision.refusal.message]
            is_routed = decision.refusal.detail.startswith("lacks ")  # no grant allows it
            assert is_routed or said.get("reason", "forbidden") == decision.refusal.reason
            assert ("reason" not in said) or decision.phase is not Phase.AUTHENTICATE
        case Respond():
            assert verdict == "allowed, for every key: Headgate itself responds"
        case Forward() | Inspect() | Pending():
            route = decision.route
            where = (
                "of the gate itself"
                if route.operation.gate_page
                else f"on upstream {route.balancer.name}"
            )
            assert said["request"] == f"{method} {route.canonical.decode()} {where}"
            assert said["operation"] == route.operation.name
            assert "allowed" in (verdict if isinstance(verdict, str) else verdict[0])
        case _:
            raise AssertionError(decision)
    if isinstance(decision, Pending):
        assert verdict[0] == "allowed, provided that"
        decision.decision.close()
