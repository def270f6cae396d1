"""Which requests the shields stop, operation by operation, with the table of routes as it is."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from headgate.config import ShieldRule, Shields
from headgate.contract import classify, table
from headgate.errors import Refusal
from headgate.model import ObjectKind, Operation, Place, SizeClass
from headgate.reasons import Reason
from headgate.shields import RULES, Shield
from headgate.shields.rules import refusal

SHIELD = Shield(Shields())
LIST = "GET /api/2.0/mlflow/artifacts/list"


def operation(route: str) -> Operation:
    method, _, path = route.partition(" ")
    found = classify(method.encode(), path.encode())
    assert found is not None, route
    return found


def rule_of(what: Refusal | None) -> str:
    """The id of the shield that refused, or nothing."""
    return what.detail.removeprefix("shield ") if what is not None else ""


def of_body(route: str, message: dict[str, Any], shield: Shield = SHIELD) -> str:
    assert shield.needs_body(operation(route))
    return rule_of(shield.check_body(operation(route), message))


@pytest.mark.parametrize(
    "route",
    [
        "GET /api/2.0/mlflow-artifacts/artifacts?path=",
        "GET /api/2.0/mlflow/artifacts/list?run_id=a&path=",
        "GET /get-artifact?run_uuid=a&path=",
        "GET /model-versions/get-artifact?name=m&version=1&path=",
        "GET /ajax-api/2.0/mlflow/get-trace-artifact?request_id=tr-1&path=",
        "GET /ajax-api/2.0/mlflow/logged-models/m-1/artifacts/files?artifact_file_path=",
        "GET /api/2.0/mlflow/logged-models/m-1/artifacts/directories?artifact_directory_path=",
        "POST /ajax-api/2.0/mlflow/upload-artifact?run_uuid=a&path=",
    ],
)
def test_every_query_that_holds_a_path_is_looked_at(route: str) -> None:
    target, _, query = route.partition("?")
    about = operation(target)
    good = f"?{query}{quote('1/a/artifacts/a b..c/100%.txt', safe='')}".encode()
    assert SHIELD.check_query(about, good) is None
    for path in ("../../etc/passwd", "a/%2e%2e/b", "/etc/passwd"):
        for spelled in (path, quote(path, safe="")):
            assert rule_of(SHIELD.check_query(about, f"?{query}{spelled}".encode())) == "traversal"


def test_no_path_of_the_table_is_forgotten() -> None:
    """Whatever row names a path in its query or its body, that is looked at."""
    for row in table().rows:
        for each in row.operation.objects:
            if each.kind in (ObjectKind.PATH, ObjectKind.ARTIFACT) and each.place is Place.QUERY:
                found = SHIELD.check_query(row.operation, f"?{each.name}=../x".encode())
                assert rule_of(found) == "traversal", row
            if each.kind in (ObjectKind.PATH, ObjectKind.LOCATION) and each.place is Place.BODY:
                assert SHIELD.needs_body(row.operation), row


@pytest.mark.parametrize(
    "query",
    [
        b"?path=a&path=..%2Fb",
        b"?run_id=a&%70ath=..%2Fb",
        b"?path[]=../b",
        b"?path=..%2Fb&path=a",
        b"?path=a\xff/../b",
    ],
)
def test_a_name_given_twice_or_in_disguise_is_looked_at(query: bytes) -> None:
    assert rule_of(SHIELD.check_query(operation(LIST), query)) == "traversal"


@pytest.mark.parametrize(
    ("query", "rule"),
    [
        (b"", ""),
        (b"?", ""),
        (b"?run_id=0123&path=model%2Fdata", ""),
        (b"?run_id=&run_uuid=0123", ""),
        (b"?run_id=../0123", "traversal"),
        (b"?run_uuid=a%2Fb", "traversal"),
        (b"?page_token=../../x", ""),
    ],
)
def test_the_rest_of_a_query(query: bytes, rule: str) -> None:
    assert rule_of(SHIELD.check_query(operation(LIST), query)) == rule


def test_an_artifact_in_the_path_is_no_uri() -> None:
    """Dot segments are refused long before; what is left to read differently is a URI."""
    route = "/api/2.0/mlflow-artifacts/artifacts/"
    for artifact, rule in (("1/a/artifacts/x:y.txt", ""), ("file:/etc/passwd", "traversal")):
        path = route + artifact
        found = SHIELD.check_path(operation(f"GET {path}"), path.encode())
        assert rule_of(found) == rule


@pytest.mark.parametrize("tags", [[], [{"key": "mlflow.prompt.is_prompt", "value": "true"}]])
@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ("models:/m-1", ""),
        ("mlflow-artifacts:/1/a/artifacts/model", ""),
        ("mlflow-artifacts:/1//63/artifacts/model", ""),
        ("mlflow-artifacts:/1/a/artifacts//63/b/artifacts/model", ""),
        ("mlflow-artifacts://63/artifacts/model", "stored-location"),
        ("mlflow-artifacts:////63/artifacts/model", "stored-location"),
        ("runs:/a/model", ""),
        ("prompt-template", ""),
        ("dummy-source", ""),
        ("", ""),
        ("file:///etc", "stored-location"),
        ("/etc", "stored-location"),
        ("dummy-source/../etc", "stored-location"),
        ("mlflow-artifacts:/1/../../etc", "stored-location"),
        ("s3://bucket/x", "stored-location"),
    ],
)
def test_a_source_is_looked_at_whatever_the_tags_say(
    source: str, rule: str, tags: list[object]
) -> None:
    route = "POST /api/2.0/mlflow/model-versions/create"
    assert of_body(route, {"name": "m", "source": source, "tags": tags}) == rule


@pytest.mark.parametrize(
    ("route", "message"),
    [
        ("POST /api/2.0/mlflow/experiments/create", {"artifact_location": "/etc"}),
        ("POST /ajax-api/2.0/mlflow/experiments/create", {"artifactLocation": "/etc"}),
        ("POST /api/2.0/mlflow/experiments/create", {"artifact_location": "dummy-source"}),
        ("POST /api/3.0/mlflow/workspaces", {"default_artifact_root": "file:///etc"}),
        ("PATCH /api/3.0/mlflow/workspaces/w", {"trace_archival_config": {"location": "/etc"}}),
    ],
)
def test_every_stored_location_is_looked_at(route: str, message: dict[str, Any]) -> None:
    assert of_body(route, message) == "stored-location"


def test_an_operators_bucket_is_a_location() -> None:
    shield = Shield(Shields(locations=("s3://bucket/",)))
    route = "POST /api/2.0/mlflow/experiments/create"
    assert of_body(route, {"artifact_location": "s3://bucket/1"}, shield) == ""
    refused = shield.check_body(operation(route), {"artifact_location": "mlflow-artifacts:/1"})
    assert refused is not None
    assert "must start with s3://bucket/, " in refused.message


@pytest.mark.parametrize(
    ("route", "field"),
    [
        ("POST /api/2.0/mlflow/experiments/create", "name"),
        ("POST /api/2.0/mlflow/experiments/update", "new_name"),
        ("POST /api/2.0/mlflow/experiments/update", "newName"),
        ("POST /api/2.0/mlflow/registered-models/create", "name"),
        ("POST /api/2.0/mlflow/registered-models/rename", "new_name"),
    ],
)
def test_new_names(route: str, field: str) -> None:
    assert of_body(route, {field: "team/a model"}) == ""
    assert of_body(route, {field: "team\u202ea"}) == "escaped-name"
    of_model = "registered-models" in route
    assert of_body(route, {field: "team%2Fa"}) == ("escaped-name" if of_model else "")
    assert of_body(route, {"description": "team%2Fa"}) == ""


def test_a_name_that_is_there_already_can_still_be_left() -> None:
    route = "POST /api/2.0/mlflow/registered-models/rename"
    assert of_body(route, {"name": "old%2Fname", "new_name": "name"}) == ""


@pytest.mark.parametrize(
    ("route", "message"),
    [
        ("POST /api/2.0/mlflow/webhooks", {"url": "http://HOST/x"}),
        ("PATCH /api/2.0/mlflow/webhooks/w", {"url": "http://HOST/x"}),
        (
            "POST /api/3.0/mlflow/gateway/secrets/create",
            {"auth_config": {"api_base": "http://HOST"}, "secret_value": {"api_key": "x"}},
        ),
        ("POST /api/3.0/mlflow/gateway/secrets/update", {"auth_config": '{"api_base": "HOST"}'}),
        ("POST /api/3.0/mlflow/gateway/model-definitions/create", {"config": {"host": "HOST:80"}}),
        ("POST /api/3.0/mlflow/gateway/model-definitions/update", {"x": "https://HOST"}),
        ("POST /api/3.0/mlflow/gateway/endpoints/create", {"model_configs": [{"url": "//HOST"}]}),
    ],
)
def test_addresses_that_the_server_is_to_call(route: str, message: dict[str, Any]) -> None:
    text = json.dumps(message)

    def naming(host: str) -> dict[str, Any]:
        named: dict[str, Any] = json.loads(text.replace("HOST", host))
        return named

    assert of_body(route, naming("hooks.example.com")) == ""
    assert of_body(route, naming("169.254.169.254")) == "private-target"
    allowing = Shield(Shields(targets=("169.254.169.254",)))
    assert of_body(route, naming("169.254.169.254"), allowing) == ""


def test_the_deployments_proxy_reaches_what_it_is_there_for() -> None:
    route = "/ajax-api/2.0/mlflow/gateway-proxy"
    listing, asking = operation(f"GET {route}"), f"POST {route}"
    assert SHIELD.check_query(listing, b"?gateway_path=api%2F2.0%2Fendpoints%2F") is None
    assert of_body(asking, {"gateway_path": "gateway/chat/invocations", "json_data": {}}) == ""
    for path in ("../x", "@evil.example", "api/2.0/endpoints/../x", "gateway/a/b/invocations"):
        query = f"?gateway_path={quote(path, safe='')}".encode()
        assert rule_of(SHIELD.check_query(listing, query)) == "traversal"
        assert of_body(asking, {"gateway_path": path}) == "traversal"


def test_queries_of_graphql() -> None:
    route = "POST /graphql"
    assert of_body(route, {"query": '{ test(inputString: "x") { output } }'}) == ""
    assert of_body(route, {"query": "{a" * 20 + "}" * 20}) == "graphql-bounds"
    assert of_body(route, {"query": None}) == ""


def test_the_assistant_is_off_unless_it_is_switched_on() -> None:
    """Its two questions of MLflow's page are answered as a server without one would."""
    rows = [row.operation for row in table().rows if row.operation.family == "assistant"]
    answered = {each.name for each in rows if SHIELD.own_response(each) is not None}
    assert answered == {"assistant/get-config", "assistant/providers"}
    assert rows
    on = Shield(Shields(assistant=True))
    for each in rows:
        assert rule_of(SHIELD.check_path(each, b"/")) == "assistant"
        assert on.check_path(each, b"/") is None
        assert on.own_response(each) is None
    models = operation("GET /ajax-api/3.0/mlflow/assistant/providers/ollama/models")
    assert rule_of(on.check_query(models, b"?base_url=http://169.254.169.254")) == "private-target"
    assert on.check_query(models, b"?base_url=https://api.example.com") is None


def test_responses_that_carry_an_artifact() -> None:
    lines = SHIELD.response_lines(operation("GET /get-artifact"))
    assert b"X-Content-Type-Options: nosniff\r\n" in lines
    assert all(line.endswith(b"\r\n") for line in lines)
    assert SHIELD.response_lines(operation(LIST)) == ()


BEGINNING = {"traces/start", "traces/start-v2"}
"""They carry no spans, but tags."""


def test_what_is_sent_all_the_time_stays_streamed() -> None:
    """No shield wants the body of a frequent or of a large request."""
    for route in (
        "POST /api/2.0/mlflow/runs/log-metric",
        "POST /api/2.0/mlflow/runs/log-batch",
        "POST /api/2.0/mlflow/runs/update",
        "POST /api/2.0/mlflow/runs/search",
        "POST /v1/traces",
        "PUT /api/2.0/mlflow-artifacts/artifacts/1/a/artifacts/x",
        "POST /gateway/mlflow/v1/chat/completions",
    ):
        assert not SHIELD.needs_body(operation(route))
    for row in table().rows:
        if row.operation.size is not SizeClass.API and row.operation.name not in BEGINNING:
            assert not SHIELD.needs_body(row.operation), row


@pytest.mark.parametrize("rule", ShieldRule)
def test_each_rule_can_be_left_out(rule: ShieldRule) -> None:
    """Nothing is said under the name of a rule that is disabled, and all the rest still is."""
    shield = Shield(Shields(disabled=(rule,)))
    said = {
        rule_of(shield.check_query(operation(LIST), b"?path=../x")),
        rule_of(
            shield.check_body(
                operation("POST /api/2.0/mlflow/experiments/create"), {"artifact_location": "/etc"}
            )
        ),
        rule_of(
            shield.check_body(
                operation("POST /api/2.0/mlflow/registered-models/create"), {"name": "%61"}
            )
        ),
        rule_of(
            shield.check_body(
                operation("POST /api/2.0/mlflow/webhooks"), {"url": "http://10.0.0.1"}
            )
        ),
        rule_of(
            shield.check_body(
                operation("POST /api/3.0/mlflow/scorers/register"), {"serialized_scorer": "x"}
            )
        ),
        rule_of(shield.check_body(operation("POST /graphql"), {"query": "{"})),
        rule_of(shield.check_path(operation("GET /ajax-api/3.0/mlflow/assistant/config"), b"/")),
        "artifact-response" if shield.response_lines(operation("GET /get-artifact")) else "",
    }
    assert said - {""} == set(ShieldRule) - {rule}


def test_every_rule_says_what_it_is_for_and_what_to_do() -> None:
    assert set(RULES) == set(ShieldRule)
    for rule, about in RULES.items():
        if about.reason is None:
            with pytest.raises(ValueError, match=str(rule)):
                refusal(rule)
            continue
        said = refusal(rule, field="path", allowed="runs:/", excess="is empty")
        assert said.reason in (Reason.FORBIDDEN, Reason.REQUEST_AMBIGUOUS)
        assert said.message.startswith(f"Headgate refused the request (shield {rule}): ")
        assert said.message.endswith(".")
        assert said.detail == f"shield {rule}"


@pytest.mark.parametrize(
    "url",
    [
        " ",
        "\t",
        "https://",
        "http://[::1",
        "not a url",
        "https://a b/",
        "https:///x",
        "http://a:b:c",
    ],
)
def test_what_is_no_address_is_the_clients_slip(url: str) -> None:
    """A 400 in words, as MLflow's own for such a webhook (``_validate_webhook_url``)."""
    shield, hooks = Shield(Shields()), operation("POST /api/2.0/mlflow/webhooks")
    refused = shield.check_body(hooks, {"name": "x", "url": url})
    assert refused is not None
    assert (refused.code, refused.error_code) == (400, "INVALID_PARAMETER_VALUE")
    assert "url is blank, or not a URL" in refused.message
    assert shield.check_body(hooks, {"name": "x", "url": ""}) is None  # MLflow says it


def test_an_address_within_is_forbidden() -> None:
    refused = Shield(Shields()).check_body(
        operation("POST /api/2.0/mlflow/webhooks"), {"url": "http://10.0.0.1/"}
    )
    assert refused is not None
    assert refused.code == 403


def test_the_bounds_of_graphql_are_settings() -> None:
    graphql = operation("POST /graphql")
    query = {"query": "{ a: test b: test c { d { e } } }"}
    assert Shield(Shields()).check_body(graphql, query) is None
    for settings, said in (
        (Shields(graphql_depth=2), "nested more than 2 deep"),
        (Shields(graphql_aliases=1), "more than 1 aliases"),
        (Shields(graphql_root_fields=2), "more than 2 root fields"),
        (Shields(graphql_selections=4), "more than 4 fields"),
    ):
        refused = Shield(settings).check_body(graphql, query)
        assert refused is not None
        assert said in refused.message
    aliases = "{" + " ".join(f"a{n}: test" for n in range(12)) + "}"
    lax = Shields(graphql_aliases=20, graphql_root_fields=20)
    assert Shield(Shields()).check_body(graphql, {"query": aliases}) is not None
    assert Shield(lax).check_body(graphql, {"query": aliases}) is None
    assert Shield(Shields(graphql_length=256)).check_body(graphql, {"query": "{a}" + " " * 300})


def test_for_narrowed_keys_no_path_may_leave_its_object() -> None:
    switched_off = Shield(Shields(disabled=(ShieldRule.TRAVERSAL, ShieldRule.SCORER)))
    assert SHIELD.for_narrowed_keys() is SHIELD
    assert ShieldRule.TRAVERSAL not in switched_off.for_narrowed_keys().settings.disabled
    assert ShieldRule.SCORER in switched_off.for_narrowed_keys().settings.disabled


def test_which_operations_are_looked_at() -> None:
    assert SHIELD.needs_query(operation(LIST))
    assert not SHIELD.needs_query(operation("POST /api/2.0/mlflow/runs/create"))
    graphql = operation("POST /graphql")
    assert SHIELD.check_body(graphql, {"query": 1}) is None
    assert SHIELD.check_body(operation("POST /api/2.0/mlflow/runs/log-metric"), {}) is None


def test_a_trace_export_is_scanned_and_nothing_else() -> None:
    header = {b"content-type": b"application/x-protobuf"}
    assert SHIELD.scan(operation("POST /v1/traces"), header, 0) is not None
    assert SHIELD.scan(operation(LIST), header, 0) is None


def test_the_location_of_a_trace_is_looked_at_where_one_may_be_set() -> None:
    start = operation("POST /api/2.0/mlflow/traces")
    message = {"tags": [{"key": "mlflow.artifactLocation", "value": "file:///etc"}]}
    path = b"/api/2.0/mlflow/traces"
    refused = SHIELD.trace_locations(start, path, message, {}, always=False)
    assert isinstance(refused, Refusal)
    assert SHIELD.trace_locations(operation(LIST), path, message, {}, always=False) == []
    spans = {"tags": [{"key": "mlflow.trace.spansLocation", "value": "TRACKING_STORE"}]}
    assert SHIELD.trace_locations(start, path, spans, {}, always=True) == []


def test_a_scorer_that_is_no_text_is_refused_and_a_missing_one_is_not() -> None:
    route = "POST /api/3.0/mlflow/scorers/register"
    assert of_body(route, {"serialized_scorer": 5}) == "scorer"
    assert of_body(route, {"serialized_scorer": None}) == ""


def test_a_file_of_the_clients_is_looked_at_by_its_last_segment() -> None:
    route = "POST /api/2.0/mlflow-artifacts/mpu/create/1/a/artifacts"
    assert of_body(route, {"path": "/home/ada/model.bin"}) == ""
    assert of_body(route, {"path": "/home/ada/.."}) == "traversal"


def test_tags_are_left_to_the_check_of_trace_locations() -> None:
    about = operation("POST /api/2.0/mlflow/traces")
    assert SHIELD.check_body(about, {"tags": [{"key": "k", "value": "file:///etc"}]}) is None
