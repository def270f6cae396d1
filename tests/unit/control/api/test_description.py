"""The OpenAPI document says what the routes are, and is valid."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.routing import Route

from headgate.contract import classify, table
from headgate.control.api import description
from headgate.control.api.endpoints import ENDPOINTS, PREFIX
from headgate.control.app import ControlFacts, control_app
from headgate.model import Action, Retry
from headgate.telemetry.exposition import Exposition
from tests.unit.control.api.stand import VIEWER, Stand

DOCUMENT = description("1.2.3")
BELOW = "/-/api/"


def methods_of(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {(method.upper(), path) for path, each in document["paths"].items() for method in each}


def test_the_document_is_valid() -> None:
    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT


def test_its_paths_are_those_of_the_application_and_of_the_contract() -> None:
    app = control_app(
        ControlFacts(
            lambda: False,
            lambda: False,
            lambda _accept: Exposition("text/plain", iter(())),
            list,
            dict,
            "0",
            admin=Stand().facts,
        )
    )
    served = {
        (method, route.path)
        for route in app.routes
        if isinstance(route, Route) and route.path.startswith(BELOW)
        for method in (route.methods or set()) - {"HEAD"}
    }
    ruled = {
        (row.method, row.operation.path)
        for row in table().gate_pages
        if row.operation.path.startswith(BELOW)
    }
    assert methods_of(DOCUMENT) == served == ruled


def test_every_endpoint_has_a_route_and_no_more() -> None:
    named = {
        row.operation.name.removeprefix(PREFIX)
        for row in table().gate_pages
        if row.operation.name.startswith(PREFIX)
    }
    assert set(ENDPOINTS) == named


def test_what_changes_something_takes_administer_and_is_never_repeated() -> None:
    for row in table().gate_pages:
        if row.operation.path.startswith(BELOW):
            is_read = row.method == "GET"
            assert (row.operation.action is Action.READ) is is_read
            assert (row.operation.action is Action.ADMINISTER) is not is_read
            assert (row.operation.retry is Retry.SAFE) is is_read
            assert not row.operation.public
            assert row.operation.family == "gate"
            endpoint = ENDPOINTS[row.operation.name.removeprefix(PREFIX)]
            assert (endpoint.body is None) is is_read


def test_a_secret_is_only_in_responses_that_make_a_key() -> None:
    having = {
        name
        for name, each in ENDPOINTS.items()
        if each.response is not None
        and "secret" in json.dumps(each.response.model_json_schema())
        and "secret" in each.response.model_fields
    }
    assert having == {"keys/create", "keys/break-glass", "keys/rotate"}


def test_every_good_key_may_read_it() -> None:
    reply = Stand().ask("GET", "openapi.json", who=VIEWER)
    assert reply.status == 200
    assert reply.body == DOCUMENT


@pytest.mark.parametrize(
    "path",
    [
        *("/-/api/v1/keys/", "/-/api/v1/keys/k_00000000/", "/-/api/v1/keys//revoke"),
        *("/-/api/v1", "/-/api/v1/", "/-/api/v2/keys", "/-/api/v1/Keys", "/-/api/v1/keys/a/b/c"),
        "/-/api/v1/keys/k_00000000/revoke/x",
    ],
)
def test_other_paths_are_none(path: str) -> None:
    for method in (b"GET", b"POST", b"PATCH"):
        assert classify(method, path.encode()) is None


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_none(method: str) -> None:
    for path in DOCUMENT["paths"]:
        assert classify(method.encode(), path.replace("{", "").replace("}", "").encode()) is None
