"""What the how-tos about tokens show is what the gate, the platforms and each other expect."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from headgate.config import load
from headgate.errors import ConfigError
from headgate.reasons import Reason
from tests.support import recipes
from tests.support.issued_tokens import PLATFORMS, Platform

AUDIENCE = "https://gate.example"
POD_FILES = "/var/run/secrets/kubernetes.io/serviceaccount"


def accepted(folder: Path, text: str) -> Any:
    """The issuers of a configuration.

    Raises:
        ConfigError: when the gate refuses it.
    """
    for name in ("ca.crt", "token"):
        (folder / name).touch(mode=0o600)
    file = folder / "headgate.toml"
    file.write_text(text.replace(POD_FILES, str(folder)), encoding="utf-8")
    return load(file, {"MLFLOW_SERVER_URL": "http://127.0.0.1:5000"}).auth.issuers


@pytest.mark.parametrize("page", recipes.PAGES)
def test_the_configuration_of_a_page_is_accepted(page: str, tmp_path: Path) -> None:
    assert accepted(tmp_path, recipes.configuration(page))


def test_the_configurations_of_all_pages_go_together(tmp_path: Path) -> None:
    issuers = accepted(tmp_path, "\n".join(map(recipes.configuration, recipes.PAGES)))
    shown = {name: (each.issuer, each.audience) for name, each in issuers.items()}
    assert shown == {each.setting: (each.issuer, (each.audience,)) for each in PLATFORMS}


@pytest.mark.parametrize("page", recipes.PAGES)
def test_each_narrower_condition_is_accepted(page: str, tmp_path: Path) -> None:
    first, _, _ = recipes.configuration(page).partition("\nroles = ")
    (shown,) = re.findall(r"^when = \{ (.*) \}$", first, re.MULTILINE)
    named = [re.findall(r"`([^`]+ = [^`]+)`", each) for each in recipes.conditions(page)]
    assert len(named) >= 2
    for texts in named:
        # In place of what the page has for the same claims; a claim stands in a rule once.
        when = tomllib.loads(f"when = {{ {shown} }}")["when"]
        for text in texts:
            when |= tomllib.loads(f"when = {{ {text} }}")["when"]
        fields = ", ".join(
            f"{json.dumps(name)} = {json.dumps(value)}" for name, value in when.items()
        )
        rule = first.replace(f"when = {{ {shown} }}", f"when = {{ {fields} }}")
        assert accepted(tmp_path, f'{rule}\nroles = ["writer"]\n')


@pytest.mark.parametrize(
    ("page", "condition", "instead"),
    [
        ("log-in-from-github-actions", 'repository_id = "74"', 'repository = "octo-org/octo-repo"'),
        ("log-in-from-github-actions", 'repository_id = "74"', 'repository_id = "7*"'),
        ("log-in-from-gitlab-ci", 'project_id = "20"', 'project_path = "my-group/my-project"'),
        ("log-in-from-google", 'sub = "102817471284392839103"', 'email = "trainer@example.com"'),
    ],
)
def test_a_rule_that_strangers_could_fit_is_refused(
    page: str, condition: str, instead: str, tmp_path: Path
) -> None:
    text = recipes.configuration(page)
    assert condition in text
    with pytest.raises(ConfigError, match="issues tokens to everybody"):
        accepted(tmp_path, text.replace(condition, instead))


def test_the_page_of_all_platforms_has_every_reason() -> None:
    codes = re.findall(r"^\| `(token_[a-z_]+)` \|", recipes.text(recipes.COMMON), re.MULTILINE)
    assert sorted(codes) == sorted(each for each in Reason if each.startswith("token_"))


def test_the_page_of_all_platforms_leads_to_each() -> None:
    assert all(f"]({page}.md)" in recipes.text(recipes.COMMON) for page in recipes.PAGES)


@pytest.mark.parametrize("page", recipes.PAGES)
def test_each_page_asks_for_the_audience_of_its_configuration(page: str) -> None:
    (issuer, *_) = tomllib.loads(recipes.configuration(page))["auth"]["issuers"].values()
    examples = [
        *recipes.blocks(page, "yaml"),
        *recipes.blocks(page, "sh"),
        *recipes.blocks(page, "python"),
    ]
    asking = [each for each in examples if "MLFLOW_TRACKING" in each or "def fetch" in each]
    asking = [each for each in asking if "secrets/gate" not in each and "secrets/gate/" not in each]
    assert asking
    assert all(issuer["audience"] in each for each in asking)


@pytest.mark.parametrize("page", recipes.PAGES)
def test_each_program_is_python(page: str) -> None:
    for program in recipes.blocks(page, "python"):
        compile(program, page, "exec")


def test_a_refused_stranger_is_on_its_page() -> None:
    for page in recipes.PAGES:
        rows = recipes.text(page).split("## What others get")[1]
        assert set(re.findall(r"`([a-z]+_[a-z_]+)`", rows)) <= {
            *Reason,
            "project_id",
            "repository_id",
        }


def test_the_pod_gets_its_token_where_mlflows_client_reads_it() -> None:
    """In ``mlflow/tracking/request_auth/kubernetes_request_auth_provider.py``."""
    account, pod = yaml.safe_load_all(recipes.blocks("log-in-from-kubernetes", "yaml")[0])
    (container,) = pod["spec"]["containers"]
    (mount,) = container["volumeMounts"]
    (volume,) = pod["spec"]["volumes"]
    (source,) = volume["projected"]["sources"]
    token = f"{mount['mountPath']}/{source['serviceAccountToken']['path']}"
    assert token == f"{POD_FILES}/token"
    assert mount["name"] == volume["name"]
    assert source["serviceAccountToken"]["audience"] == AUDIENCE
    assert pod["spec"]["serviceAccountName"] == account["metadata"]["name"]
    assert pod["metadata"]["namespace"] == account["metadata"]["namespace"]


def test_the_policy_of_the_role_allows_the_audience_and_life_that_programs_ask_for() -> None:
    (policy,) = map(json.loads, recipes.blocks("log-in-from-aws-roles", "json"))
    (statement,) = policy["Statement"]
    condition = statement["Condition"]
    assert condition["ForAllValues:StringEquals"]["sts:IdentityTokenAudience"] == AUDIENCE
    longest = condition["NumericLessThanEquals"]["sts:DurationSeconds"]
    text = recipes.text("log-in-from-aws-roles")
    asked = re.findall(r"(?:DurationSeconds=|--duration-seconds )(\d+)", text)
    assert len(asked) == 2
    assert all(int(each) <= longest for each in asked)


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda each: each.name)
def test_the_identity_of_the_tests_is_that_of_the_page(platform: Platform, tmp_path: Path) -> None:
    issuers = accepted(tmp_path, "\n".join(map(recipes.configuration, recipes.PAGES)))
    issuer = issuers[platform.setting]
    assert platform.principal == f"{platform.setting}:{platform.claims[issuer.principal]}"
    assert platform.algorithm in issuer.algorithms
