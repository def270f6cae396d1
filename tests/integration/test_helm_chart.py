"""The Helm chart: what Helm makes of it is valid, restricted, and starts a gate.

Golden files show what a change of the chart comes to; ``HEADGATE_GOLDEN=write`` renews them.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from tests.support import recipes
from tests.support.certificates import Authority
from tests.support.helm import CHART, RefusedError, lint, manifests, rendered
from tests.support.processes import clean_environment

GOLDEN = CHART.parent / "golden"
DATABASE = {"auth": {"databaseUrlSecret": {"name": "headgate-database"}}}
VALUES: dict[str, dict[str, Any]] = {
    "single": {"replicas": 1},
    "existing-mlflow": DATABASE
    | {
        "mlflow": {"url": "srv+http://_http._tcp.mlflow.ml.svc", "podLabels": {"app": "mlflow"}},
        "settings": {"listen": {"workers": 2}},
    },
    "tls-and-ingress": DATABASE
    | {
        "tls": {"secretName": "headgate-tls"},
        "ingress": {"enabled": True, "className": "nginx", "host": "mlflow.example.com"}
        | {"tlsSecretName": "public-tls"},
        "trustedProxies": ["10.0.0.0/8"],
        "publicNames": ["mlflow.example.com"],
        "networkPolicy": {"from": [{"namespaceSelector": {}}]},
    },
    "autoscaling": DATABASE
    | {"autoscaling": {"enabled": True, "inFlight": 20}, "serviceMonitor": {"enabled": True}},
}
VERSIONS = ("1.27", "1.31", "1.34", "1.37")


@pytest.fixture(params=VALUES)
def case(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_it_renders_as_the_golden_file_says(case: str) -> None:
    text = "".join(
        f"# {name}\n{each.strip()}\n"
        for name, each in sorted(rendered(VALUES[case]).items())
        if each.strip()
    )
    golden = GOLDEN / f"{case}.yaml"
    if os.environ.get("HEADGATE_GOLDEN") == "write":
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_every_object_is_valid_and_every_pod_restricted(case: str) -> None:
    objects = manifests(VALUES[case])
    for each in objects:
        if each["apiVersion"].startswith("monitoring.coreos.com"):
            continue  # a custom resource, of which Kubernetes has no schema
        for version in VERSIONS:
            kubernetes_validate.validate(each, version, strict=True)
    pods = [each["spec"] for each in objects if each["kind"] == "Pod"]
    made = [each for each in objects if each["kind"] in ("Deployment", "Job")]
    pods += [each["spec"]["template"]["spec"] for each in made]
    assert len(pods) == (2 if case == "single" else 3)
    for pod in pods:
        assert_restricted(pod)


def assert_restricted(pod: dict[str, Any]) -> None:
    """The restricted profile of Kubernetes' pod security standards, and a read-only image."""
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not any(pod.get(each) for each in ("hostNetwork", "hostPID", "hostIPC"))
    allowed = {"configMap", "emptyDir", "secret"}
    assert all(set(each) - {"name"} <= allowed for each in pod.get("volumes", ()))
    for container in pod["containers"]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert not any("hostPort" in port for port in container.get("ports", ()))


def test_a_pod_that_is_not_restricted_is_noticed() -> None:
    pod = {"automountServiceAccountToken": False, "securityContext": {"runAsNonRoot": False}}
    with pytest.raises(AssertionError):
        assert_restricted(pod)


def test_the_gate_accepts_the_configuration(case: str, tmp_path: Path) -> None:
    (config,) = (each for each in manifests(VALUES[case]) if each["kind"] == "ConfigMap")
    file = tmp_path / "headgate.toml"
    text = config["data"]["headgate.toml"].replace("/etc/headgate/tls", str(tmp_path))
    file.write_text(text.replace("/var/lib/headgate", str(tmp_path / "data")))
    if "tls" in VALUES[case]:
        made = Authority(tmp_path, "authority").issue("tls", "mlflow.example.com")
        made.certificate.rename(tmp_path / "tls.crt")
        made.key.rename(tmp_path / "tls.key")
    done = subprocess.run(
        [sys.executable, "-m", "headgate", "check", "--config", str(file)],
        capture_output=True,
        text=True,
        check=False,
        env=clean_environment(),
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_tables_are_made_before_the_gates_start() -> None:
    """Gates end where the database has none, and never make them."""
    objects = manifests(VALUES["existing-mlflow"])
    (job,) = (each for each in objects if each["kind"] == "Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["db", "upgrade"]
    (gates,) = (each for each in objects if each["kind"] == "Deployment")
    (gate,) = gates["spec"]["template"]["spec"]["containers"]
    assert container["image"] == gate["image"]
    assert container["env"][0] in gate["env"]
    # The Service must not lead clients to it.
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert not labels.items() >= gates["spec"]["selector"]["matchLabels"].items()
    assert not [each for each in manifests(VALUES["single"]) if each["kind"] == "Job"]


def test_the_values_of_the_page_are_those_of_the_chart() -> None:
    (script,) = recipes.blocks("run-on-kubernetes", "sh")
    values: dict[str, Any] = {}
    for path, value in re.findall(r"--set ([\w.]+)=(\S+)", script):
        *tables, name = path.split(".")
        functools.reduce(lambda table, each: table.setdefault(each, {}), tables, values)[name] = (
            value
        )
    objects = manifests(values)
    secrets = set(re.findall(r"create secret generic (\S+) --from-file=(\w+)=", script))
    wanted = {
        (each["valueFrom"]["secretKeyRef"]["name"], each["valueFrom"]["secretKeyRef"]["key"])
        for made in objects
        if made["kind"] in ("Deployment", "Job")
        for container in made["spec"]["template"]["spec"]["containers"]
        for each in container["env"]
        if "valueFrom" in each
    }
    assert wanted == secrets
    assert any(each["metadata"]["name"].endswith("-mlflow") for each in objects)


def test_there_is_time_to_stop(case: str) -> None:
    (pods,) = (each for each in manifests(VALUES[case]) if each["kind"] == "Deployment")
    assert pods["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= 15 + 60 + 15
    assert pods["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_only_the_gate_reaches_mlflow() -> None:
    policies = [
        each for each in manifests(VALUES["existing-mlflow"]) if each["kind"] == "NetworkPolicy"
    ]
    (policy,) = (each for each in policies if each["metadata"]["name"].endswith("-mlflow"))
    assert policy["spec"]["podSelector"] == {"matchLabels": {"app": "mlflow"}}
    (rule,) = policy["spec"]["ingress"]
    assert rule["from"] == [
        {
            "podSelector": {
                "matchLabels": {
                    "app.kubernetes.io/name": "headgate",
                    "app.kubernetes.io/instance": "mlflow",
                }
            }
        }
    ]
    assert rule["ports"] == [{"port": 5000, "protocol": "TCP"}]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "more than one pod needs a shared key store"),
        ({"replica": 1}, "replica"),
        ({"replicas": 1, "image": {"digest": "sha256:1"}}, "digest"),
        ({"replicas": 1, "mlflow": {"url": "mlflow:5000"}}, "url"),
        ({"replicas": 1, "ingress": {"enabled": True}}, "ingress.host is missing"),
        (
            DATABASE | {"autoscaling": {"enabled": True, "maxReplicas": 1}},
            "autoscaling.maxReplicas",
        ),
    ],
)
def test_values_that_cannot_work_are_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        rendered(values)


def test_helm_finds_nothing_to_complain_of(case: str) -> None:
    found = lint(VALUES[case])
    assert found["errors"] == []
    assert [each for each in found["messages"] if each["severity"] > 1] == []


def test_the_readme_has_every_value() -> None:
    readme = (CHART / "README.md").read_text(encoding="utf-8")
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    for path, description in values_of(schema["properties"]):
        assert f"| `{path}` | {description} |" in readme


def values_of(properties: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Each value's path and description, as the schema has them."""
    found: list[tuple[str, str]] = []
    for name, each in properties.items():
        with contextlib.suppress(KeyError):
            found += values_of(each["properties"], f"{prefix}{name}.")
            continue
        if name != "global":
            found.append((prefix + name, each["description"]))
    return found
