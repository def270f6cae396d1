"""Issuers of tokens in the configuration."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headgate.config import Algorithm, Issuer, load
from headgate.config.claims import steps
from headgate.config.shared_issuers import SHARED_ISSUERS, SharedIssuer
from headgate.errors import ConfigError

GITHUB = "https://token.actions.githubusercontent.com"
TENANT = "11111111-2222-3333-4444-555555555555"
PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"


def issuer(text: str, tmp_path: Path, name: str = "ci") -> Issuer:
    return load(written(tmp_path, f"[auth.issuers.{name}]\n{text}"), {}).auth.issuers[name]


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "headgate.toml"
    file.write_text(text)
    return file


def problems(tmp_path: Path, text: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text), {})
    return {problem.path: problem.message for problem in caught.value.problems}


def with_rule(url: str, when: str) -> str:
    return (
        f'[auth.issuers.ci]\nissuer = "{url}"\naudience = "gate"\n'
        f'rules = [{{ when = {{ {when} }}, roles = ["viewer"] }}]\n'
    )


def test_an_issuer_has_careful_defaults(tmp_path: Path) -> None:
    found = load(written(tmp_path, with_rule("https://idp.example", 'sub = "a"')), {})
    settings = found.auth.issuers["ci"]
    assert settings.algorithms == (Algorithm.RS256, Algorithm.ES256)
    assert (settings.leeway, settings.max_life, settings.principal) == (60, 86_400, "sub")
    assert settings.source_url == "https://idp.example/.well-known/openid-configuration"
    assert settings.accepted == {"https://idp.example"}


def test_an_issuer_may_stand_in_the_environment() -> None:
    rules = [{"when": {"repository_id": "74", "admin": True}, "roles": ["writer", "publisher"]}]
    config = load(
        None,
        {
            "HEADGATE_AUTH__ISSUERS__GITHUB__ISSUER": GITHUB,
            "HEADGATE_AUTH__ISSUERS__GITHUB__AUDIENCE": "https://a.example, https://b.example",
            "HEADGATE_AUTH__ISSUERS__GITHUB__RULES": json.dumps(rules),
        },
    )
    found = config.auth.issuers["github"]
    assert found.audience == ("https://a.example", "https://b.example")
    assert found.rules[0].when == {"repository_id": ("74",), "admin": (True,)}
    assert found.rules[0].roles == ("writer", "publisher")


def test_all_problems_are_reported_in_one_go(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        f"""
        [auth.issuers.One]
        issuer = "http://idp.example"
        audience = ["gate", "g*"]
        denied = "job-*"
        rules = [{{ when = {{ sub = "a" }}, roles = ["viewer", "captain"] }}]
        [auth.issuers.two]
        issuer = "{GITHUB}"
        audience = "gate"
        jwks_url = "ftp://idp.example"
        jwks_file = "{tmp_path}/none.json"
        token_file = "{tmp_path}/token"
        rules = [{{ when = {{ repository = "a/b" }}, roles = ["viewer"] }}]
        [auth.issuers.three]
        issuer = "{GITHUB}"
        audience = "gate"
        rules = [{{ when = {{ repository_id = "7" }}, roles = ["viewer"] }}]
        """,
    )
    assert set(found) == {
        "auth.issuers.One",
        "auth.issuers.One.issuer",
        "auth.issuers.One.audience.1",
        "auth.issuers.One.denied.0",
        "auth.issuers.One.rules.0.roles.1",
        "auth.issuers.two",
        "auth.issuers.two.jwks_url",
        "auth.issuers.two.jwks_file",
        "auth.issuers.two.token_file",
        "auth.issuers.two.rules.0.when",
        "auth.issuers.three.issuer",
    }
    assert "begin with https" in found["auth.issuers.One.issuer"]
    assert "there is no role 'captain'" in found["auth.issuers.One.rules.0.roles.1"]
    assert "already belongs to auth.issuers.two" in found["auth.issuers.three.issuer"]


@pytest.mark.parametrize(
    ("setting", "path"),
    [
        ("algorithms = 'HS256'", "algorithms.0"),
        ("algorithms = 'none'", "algorithms.0"),
        ("algorithms = []", "algorithms"),
        ("leeway = 301", "leeway"),
        ("max_life = 86401", "max_life"),
        ("max_life = 0", "max_life"),
        ("refresh_interval = 1", "refresh_interval"),
        ("principal = '/a//b'", "principal"),
        ("principal = '/a/~2'", "principal"),
        ("display_name = ''", "display_name"),
        ("rules = []", "rules"),
        ("rules = [{ when = {}, roles = ['viewer'] }]", "rules.0.when"),
        ("rules = [{ when = { sub = '' }, roles = ['viewer'] }]", "rules.0.when.sub"),
        ("rules = [{ when = { sub = [] }, roles = ['viewer'] }]", "rules.0.when.sub"),
        ("rules = [{ when = { sub = 1.5 }, roles = ['viewer'] }]", "rules.0.when.sub"),
        ("rules = [{ when = { sub = 'a' }, roles = [] }]", "rules.0.roles"),
        ("rules = [{ when = { sub = 'a' }, roles = ['viewer'], role = 1 }]", "rules.0.role"),
        ("secret = 'a'", "secret"),
    ],
)
def test_what_no_issuer_may_have(tmp_path: Path, setting: str, path: str) -> None:
    text = "[auth.issuers.ci]\nissuer = 'https://idp.example'\naudience = 'gate'\n" + setting
    if not setting.startswith("rules"):
        text += "\nrules = [{ when = { sub = 'a' }, roles = ['viewer'] }]"
    assert f"auth.issuers.ci.{path}" in problems(tmp_path, text)


@pytest.mark.parametrize(
    ("url", "when"),
    [
        (GITHUB, 'repository = "org/repo"'),
        (GITHUB, 'sub = "repo:org/repo:ref:refs/heads/main"'),
        (GITHUB, 'repository_owner = "org", ref = "refs/heads/main"'),
        (GITHUB, 'repository_id = "*"'),
        (GITHUB, 'repository_id = ["7", "8*"]'),
        (GITHUB, '"/repository_id" = "7"'),
        (GITHUB.upper().replace("HTTPS", "https"), 'repository = "org/repo"'),
        (f"{GITHUB}/enterprise", 'repository = "org/repo"'),
        (f"{GITHUB}.", 'repository = "org/repo"'),
        (f"{GITHUB}:443", 'repository = "org/repo"'),
        ("https://gitlab.com", 'project_path = "org/project"'),
        ("https://gitlab.com", 'user_email = "me@example.com"'),
        ("https://accounts.google.com", 'email = "me@example.com"'),
        ("https://accounts.google.com", 'email = "me@example.com", email_verified = true'),
        ("https://login.microsoftonline.com/common/v2.0", 'appid = "a"'),
        ("https://login.microsoftonline.com/organizations/v2.0", 'tid = "*"'),
        ("https://login.microsoftonline.com/common/v2.0", f'tid = "{PERSONAL}"'),
        (f"https://login.microsoftonline.com/{PERSONAL}/v2.0", 'email = "me@example.com"'),
        ("https://sts.windows.net/common/", 'appid = "a"'),
    ],
)
def test_an_issuer_for_everybody_needs_the_id_of_a_tenant(
    tmp_path: Path, url: str, when: str
) -> None:
    found = problems(tmp_path, with_rule(url, when))
    assert list(found) == ["auth.issuers.ci.rules.0.when"]
    assert "a condition has to name your" in found["auth.issuers.ci.rules.0.when"]


@pytest.mark.parametrize(
    ("url", "when"),
    [
        (GITHUB, 'repository_id = "7"'),
        (GITHUB, 'repository_owner_id = ["7", "8"], ref = "refs/heads/*"'),
        ("https://gitlab.com", 'namespace_id = "7"'),
        ("https://accounts.google.com", 'sub = "104040404040404040404"'),
        ("https://accounts.google.com", 'hd = "example.com"'),
        ("https://login.microsoftonline.com/common/v2.0", f'tid = "{TENANT}"'),
        (f"https://login.microsoftonline.com/{TENANT}/v2.0", 'azp = "app"'),
        ("https://gitlab.example.com", 'project_path = "org/project"'),
    ],
)
def test_a_tenant_is_named_by_its_id(tmp_path: Path, url: str, when: str) -> None:
    assert load(written(tmp_path, with_rule(url, when)), {}).auth.issuers["ci"].accepted


def test_each_rule_needs_it(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        f"""
        [auth.issuers.ci]
        issuer = "{GITHUB}"
        audience = "gate"
        [[auth.issuers.ci.rules]]
        when = {{ repository_id = "7" }}
        roles = ["viewer"]
        [[auth.issuers.ci.rules]]
        when = {{ ref = "refs/heads/main" }}
        roles = ["viewer"]
        """,
    )
    assert list(found) == ["auth.issuers.ci.rules.1.when"]


def test_every_tenant_of_a_rule_is_an_issuer(tmp_path: Path) -> None:
    """Entra's tokens never have ``common`` in ``iss``."""
    text = with_rule("https://login.microsoftonline.com/common/v2.0", f'tid = ["{TENANT}", "t2"]')
    found = load(written(tmp_path, text), {}).auth.issuers["ci"]
    base = "https://login.microsoftonline.com"
    assert found.accepted == {f"{base}/{TENANT}/v2.0", f"{base}/t2/v2.0"}
    assert found.described_as == f"{base}/{{tenantid}}/v2.0"
    assert found.source_url == f"{base}/common/v2.0/.well-known/openid-configuration"


def test_plain_http_is_for_this_machine(tmp_path: Path) -> None:
    for url in ("http://localhost:8080", "http://127.0.0.1", "http://[::1]:80/realm"):
        assert load(written(tmp_path, with_rule(url, 'sub = "a"')), {}).auth.issuers
    for url in ("http://idp.example", "idp.example", "https://", "https://u:p@idp.example"):
        assert "auth.issuers.ci.issuer" in problems(tmp_path, with_rule(url, 'sub = "a"'))


def test_an_issuer_that_is_no_url_has_its_keys_in_a_file(tmp_path: Path) -> None:
    keys = tmp_path / "jwks.json"
    keys.write_text("{}")
    text = with_rule("our-ci", 'sub = "a"') + f'jwks_file = "{keys}"'
    assert load(written(tmp_path, text), {}).auth.issuers["ci"].source_url == ""


def test_an_open_gate_has_no_issuers(tmp_path: Path) -> None:
    text = "[auth]\nmode = 'none'\n" + with_rule("https://idp.example", 'sub = "a"')
    assert "auth.issuers" in problems(tmp_path, text)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("sub", ("sub",)),
        ("kubernetes.io", ("kubernetes.io",)),
        ("/kubernetes.io/namespace", ("kubernetes.io", "namespace")),
        ("/https:~1~1sts.amazonaws.com~1/org_id", ("https://sts.amazonaws.com/", "org_id")),
        ("https://example.com/groups", ("https://example.com/groups",)),
        ("/a~01", ("a~1",)),
    ],
)
def test_a_path_leads_to_a_claim(path: str, expected: tuple[str, ...]) -> None:
    assert steps(path) == expected


@pytest.mark.parametrize("shared", SHARED_ISSUERS, ids=lambda each: each.host)
def test_each_issuer_for_everybody_wants_an_exact_id(shared: SharedIssuer, tmp_path: Path) -> None:
    url = f"https://{shared.host}"
    for name in (*shared.names, "nbf"):
        if name not in shared.ids:
            found = problems(tmp_path, with_rule(url, f'{name} = "a"'))
            assert "issues tokens to everybody" in found["auth.issuers.ci.rules.0.when"]
    for name in shared.ids:
        found = problems(tmp_path, with_rule(url, f'"{name}" = "a*"'))
        assert "issues tokens to everybody" in found["auth.issuers.ci.rules.0.when"]
        assert load(written(tmp_path, with_rule(url, f'"{name}" = "a"')), {}).auth.issuers
