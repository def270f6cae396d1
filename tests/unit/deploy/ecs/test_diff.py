"""Where two revisions differ, and what is shown of it."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.deploy.ecs.diff import Kind, differences, drift
from headgate.deploy.ecs.masking import MASK, shown_value
from headgate.deploy.ecs.records import Revision
from headgate.deploy.ecs.template import copied

SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:gate/db-AbCdEf"
CANARY = "hunter2-Canary"


def revision(
    environment: dict[str, str] | None = None,
    secrets: dict[str, str] | None = None,
    image: str = "gate:1",
    **more: Any,
) -> Revision:
    gate = {
        "name": "headgate",
        "image": image,
        "environment": [{"name": n, "value": v} for n, v in (environment or {}).items()],
        "secrets": [{"name": n, "valueFrom": v} for n, v in (secrets or {}).items()],
    }
    document = {"family": "gate", "status": "ACTIVE", "cpu": "256",
                "containerDefinitions": [gate, {"name": "envoy", "image": "envoy:1"}]}  # fmt: skip
    return Revision("arn:gate:1", document | more)


def test_each_kind_of_difference_has_its_path() -> None:
    before = revision({"A": "1", "B": "2"}, {"S": f"{SECRET}:::v1"})
    after = revision({"A": "9", "C": "3"}, {"S": f"{SECRET}:::v2"}, "gate:2", cpu="512")
    gate = "containerDefinitions.headgate"
    found = [(each.kind, each.path, each.before, each.after) for each in differences(before, after)]
    assert found == [
        (Kind.ENVIRONMENT, f"{gate}.environment.A", "1", "9"),
        (Kind.ENVIRONMENT, f"{gate}.environment.B", "2", None),
        (Kind.ENVIRONMENT, f"{gate}.environment.C", None, "3"),
        (Kind.IMAGE, f"{gate}.image", "gate:1", "gate:2"),
        (Kind.SECRET, f"{gate}.secrets.S", f"{SECRET}:::v1", f"{SECRET}:::v2"),
        (Kind.OTHER, "cpu", "256", "512"),
    ]


@given(st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=5)), st.randoms())
def test_the_order_of_variables_and_what_aws_adds_make_no_difference(
    environment: dict[str, str], chance: random.Random
) -> None:
    shuffled = [*environment.items()]
    chance.shuffle(shuffled)
    after = revision(dict(shuffled), volumes=[], placementConstraints=[], proxyConfiguration=None)
    assert differences(revision(environment), after) == ()


def test_a_copy_with_another_image_and_pins_is_no_drift() -> None:
    template = revision({"A": "1"}, {"S": SECRET, "T": f"{SECRET}:key:STAGE:", "P": "/ssm"})

    def pinned(reference: str) -> str:
        if reference == "/ssm":
            return reference
        return f"{SECRET}:key::v2" if "key" in reference else f"{SECRET}:::v1"

    made = copied(template, "headgate", "gate@sha256:1", pinned)
    running = Revision("arn:gate:2", {**made.document, "status": "ACTIVE"})
    assert drift(template, running, "headgate") == ()
    assert len(differences(template, running)) == 3


@pytest.mark.parametrize(
    ("running", "path"),
    [
        (revision({"A": "2"}), "containerDefinitions.headgate.environment.A"),
        (revision({"A": "1"}, cpu="512"), "cpu"),
        (revision({"A": "1"}, {"S": f"{SECRET}:::v1"}), "containerDefinitions.headgate.secrets.S"),
    ],
)
def test_anything_else_is_drift(running: Revision, path: str) -> None:
    assert [each.path for each in drift(revision({"A": "1"}), running, "headgate")] == [path]


def test_another_secret_is_drift_even_if_it_is_pinned() -> None:
    other = SECRET.replace("gate/db", "gate/other")
    found = drift(revision(secrets={"S": SECRET}), revision(secrets={"S": f"{other}:::v"}), "gate")
    assert [each.kind for each in found] == [Kind.SECRET]


def test_the_image_of_a_sidecar_is_drift() -> None:
    running = revision()
    running.document["containerDefinitions"][1]["image"] = "envoy:2"
    found = drift(revision(), running, "headgate")
    assert [each.path for each in found] == ["containerDefinitions.envoy.image"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DB_PASSWORD", CANARY),
        ("HEADGATE_AUTH__DATABASE_URL", f"postgresql://u:{CANARY}@h/db"),
        ("MLFLOW_TRACKING_TOKEN", CANARY),
        ("AWS_SECRET_ACCESS_KEY", CANARY),
        ("OTEL_EXPORTER_OTLP_HEADERS", f"api-key={CANARY}"),
        ("API_KEY", CANARY),
        ("UPSTREAM", f"http://user:{CANARY}@mlflow:5000"),
        ("UPSTREAM", f"http://mlflow:5000/?token={CANARY}"),
        ("NOTE", "AKIAIOSFODNN7EXAMPLE"),
        ("NOTE", "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY01"),
        ("NOTE", "-----BEGIN RSA PRIVATE KEY-----"),
        ("NOTE", "hg_" + "Ab1" * 14),
    ],
)
def test_what_looks_secret_is_never_shown(name: str, value: str) -> None:
    assert CANARY not in shown_value(name, value)
    assert shown_value(name, value) != value
    for pair in ((None, {name: value}), ({name: value}, None)):
        for each in differences(revision(pair[0]), revision(pair[1])):
            assert CANARY not in f"{each} {each.to_document()}"
            assert value not in f"{each}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HEADGATE_LOG__LEVEL", "info"),
        ("MLFLOW_SERVER_URL", "http://mlflow.ml.internal:5000"),
        ("HEADGATE_TLS__KEY_FILE", "/run/tls/key.pem"),
        ("EMPTY_PASSWORD", ""),
    ],
)
def test_what_is_no_secret_is_shown(name: str, value: str) -> None:
    assert shown_value(name, value) == value


def test_a_container_that_is_added_shows_no_secret() -> None:
    before, after = revision(), revision()
    after.document["containerDefinitions"].append(
        {"name": "new", "environment": [{"name": "DB_PASSWORD", "value": CANARY}]}
    )
    found = differences(before, after)
    assert CANARY not in repr(found)
    assert MASK in repr(found)
