"""The table of calls, the adapter that makes them, and the policy that allows them."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name

from headgate.deploy.ecs import aws, permissions
from headgate.deploy.ecs.permissions import ALL, CALLS, IDENTITY, PASS_ROLE, Call, policy

ADAPTER = Path(aws.__path__[0])
NAMES = {name: each for name, each in vars(permissions).items() if isinstance(each, Call)}


def test_the_adapter_makes_each_call_of_the_table_and_no_other() -> None:
    used = set()
    for file in ADAPTER.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Attribute(ast.Name("permissions"), name) if name in NAMES:
                    used.add(name)
    assert used == set(NAMES)
    assert set(CALLS) == set(NAMES.values())
    assert len(CALLS) == len(set(CALLS))


def test_clients_are_used_in_one_place() -> None:
    makers = {
        file.name
        for file in ADAPTER.glob("*.py")
        if re.search(r"^\s*import boto3|from boto3|\.client\(", file.read_text("utf-8"), re.M)
    }
    assert makers == {"calls.py"}


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.action)
def test_each_call_is_one_of_botocores_under_the_name_that_iam_has_for_it(call: Call) -> None:
    model = botocore.session.get_session().get_service_model(call.client)
    names = {xform_name(each): each for each in model.operation_names}
    prefix, _, name = call.action.partition(":")
    assert names[call.method] == name
    assert prefix in {model.signing_name, model.endpoint_prefix, call.client}
    assert set(call.commands) <= set(ALL)
    assert call.why


def test_the_policy_allows_what_the_commands_ask_for_and_no_more() -> None:
    whole = policy()
    allowed = [action for each in whole["Statement"] for action in each["Action"]]
    assert len(allowed) == len(set(allowed))
    assert set(allowed) == {each.action for each in CALLS if each is not IDENTITY} | {PASS_ROLE}
    assert json.loads(json.dumps(whole)) == whole


def test_who_only_looks_may_change_nothing() -> None:
    allowed = [a for each in policy(("status", "env-diff"))["Statement"] for a in each["Action"]]
    changing = re.compile(r"Register|Update|Put|Stop|Continue|Run|Tag|Pass|Create|Delete")
    assert allowed
    assert not [each for each in allowed if changing.match(each.partition(":")[2])]
