"""What is copied of a template, and how secrets are pinned."""

from __future__ import annotations

import copy
from typing import Any

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.deploy.ecs.records import Revision
from headgate.deploy.ecs.secret_references import SecretReference, is_pinned
from headgate.deploy.ecs.template import READ_ONLY, REGISTERED, TemplateError, copied

SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:gate/db-AbCdEf"
IMAGE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/gate@sha256:" + "a" * 64
MODEL = botocore.session.get_session().get_service_model("ecs")
TAKEN = MODEL.operation_model("RegisterTaskDefinition").input_shape.members
GIVEN = MODEL.shape_for("TaskDefinition").members


def template(**more: Any) -> Revision:
    containers = [
        {"name": "envoy", "image": "envoy:1", "secrets": [{"name": "E", "valueFrom": SECRET}]},
        {"name": "headgate", "image": "gate:1", "secrets": [{"name": "D", "valueFrom": SECRET}],
         "environment": [{"name": "A", "value": "1"}]},
    ]  # fmt: skip
    document = {"family": "gate", "status": "ACTIVE", "revision": 3, "cpu": "256",
                "containerDefinitions": containers, "taskDefinitionArn": "arn:gate:3"}  # fmt: skip
    return Revision("arn:gate:3", document | more)


def pinned(reference: str) -> str:
    parts = SecretReference.read(reference)
    return reference if parts is None or parts.version else parts.at_version("v7")


def test_every_member_of_a_task_definition_is_known_to_be_taken_or_only_read() -> None:
    assert set(REGISTERED) == set(TAKEN) - {"tags"}
    assert set(READ_ONLY) == set(GIVEN) - set(TAKEN)


def test_what_is_copied_has_the_same_form_where_it_is_given_and_where_it_is_taken() -> None:
    for name in REGISTERED:
        if name in GIVEN:
            assert GIVEN[name].type_name == TAKEN[name].type_name, name
            if GIVEN[name].type_name in {"structure", "list"}:
                assert GIVEN[name].name == TAKEN[name].name, name


def test_only_the_gates_image_and_secrets_change() -> None:
    before = template()
    saved = copy.deepcopy(before.document)
    made = copied(before, "headgate", IMAGE, pinned)
    envoy, gate = made.document["containerDefinitions"]
    assert envoy == saved["containerDefinitions"][0]
    assert gate["image"] == IMAGE
    assert gate["secrets"] == [{"name": "D", "valueFrom": f"{SECRET}:::v7"}]
    assert gate["environment"] == [{"name": "A", "value": "1"}]
    assert made.document.keys() == {"family", "cpu", "containerDefinitions"}
    assert before.document == saved, "the template itself is left as it was"
    assert [(each.name, each.holds) for each in made.pins] == [("D", True)]


MEMBERS = st.dictionaries(
    st.sampled_from([*REGISTERED, *READ_ONLY, "fieldOfTomorrow"]),
    st.none() | st.text(max_size=5) | st.lists(st.integers(), max_size=2),
)


@given(MEMBERS)
def test_nothing_that_cannot_be_registered_is_copied(members: dict[str, Any]) -> None:
    fixed = {"containerDefinitions", "status"}
    given_ = template(**{name: each for name, each in members.items() if name not in fixed})
    made = copied(given_, "headgate", IMAGE, pinned)
    assert made.document.keys() <= set(REGISTERED)
    assert None not in made.document.values()
    assert list(made.unknown) == (["fieldOfTomorrow"] if "fieldOfTomorrow" in members else [])
    for name in set(REGISTERED) & set(members) - fixed:
        assert made.document.get(name) == members[name]


def test_each_reference_is_asked_for_once() -> None:
    asked = []

    def count(reference: str) -> str:
        asked.append(reference)
        return pinned(reference)

    given_ = template()
    given_.document["containerDefinitions"][1]["secrets"] = [
        {"name": "D", "valueFrom": SECRET}, {"name": "E", "valueFrom": SECRET}
    ]  # fmt: skip
    copied(given_, "headgate", IMAGE, count)
    assert asked == [SECRET]


def test_a_parameter_of_ssm_is_not_pinned_and_says_so() -> None:
    given_ = template()
    given_.document["containerDefinitions"][1]["secrets"] = [{"name": "D", "valueFrom": "/a/b"}]
    made = copied(given_, "headgate", IMAGE, pinned)
    assert [(each.after, each.holds) for each in made.pins] == [("/a/b", False)]


def test_a_template_without_the_container_names_those_that_it_has() -> None:
    with pytest.raises(TemplateError, match=r"no container 'gate', but 'envoy', 'headgate'"):
        copied(template(), "gate", IMAGE, pinned)


def test_an_inactive_template_is_not_copied() -> None:
    with pytest.raises(TemplateError, match="INACTIVE: apply Terraform again"):
        copied(template(status="INACTIVE"), "headgate", IMAGE, pinned)


PART = st.from_regex(r"[A-Za-z0-9_-]{0,8}", fullmatch=True)


@given(PART, PART, PART)
def test_every_form_of_a_reference_is_read_and_pinned(key: str, stage: str, version: str) -> None:
    whole = f"{SECRET}:{key}:{stage}:{version}"
    for reference in (whole, whole.rstrip(":")):
        parts = SecretReference.read(reference)
        assert parts == SecretReference(SECRET, key, stage, version)
        assert is_pinned(reference) == bool(version)
        assert SecretReference.read(parts.at_version("v9")) == SecretReference(
            SECRET, key, "", "v9"
        )
    assert is_pinned(SecretReference(SECRET, key, stage).at_version("v"))


@pytest.mark.parametrize(
    "reference",
    ["name", "/path/name", "arn:aws:ssm:eu-central-1:123456789012:parameter/name", "a:b", "",
     "arn:aws:secretsmanager:x"],
)  # fmt: skip
def test_anything_else_is_a_parameter_of_ssm(reference: str) -> None:
    assert SecretReference.read(reference) is None
    assert not is_pinned(reference)
