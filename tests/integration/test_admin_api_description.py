"""A real gate takes and sends what its OpenAPI document says, and nothing else."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from headgate.control.api import description
from tests.support.gate import Gate, create_key, running_gate
from tests.support.waiting import seconds_until

DOCUMENT = description("0")
OPERATIONS = [
    (method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods
]
WRITES = [(method, path) for method, path in OPERATIONS if method != "GET"]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]


@pytest.fixture(scope="module")
def keys() -> dict[str, str]:
    return {}


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory, keys: dict[str, str]) -> Iterator[Gate]:
    folder = tmp_path_factory.mktemp("gate")
    for role in ("admin", "viewer"):
        keys[role] = create_key(folder / "data", role, [role])
    with running_gate(folder, "http://127.0.0.1:9") as running:
        yield running


REGISTERED_SECONDS = 30.0
"""More than a gate that was removed takes to report again."""


def exercise(
    gate: Gate,
    key: str,
    method: str,
    path: str,
    mode: GenerationMode,
    examples: int,
    ids: Mapping[str, str] = MappingProxyType({}),
) -> list[tuple[Case[Any], Any]]:
    """Send requests that the document allows, or that it does not; check each response.

    ``ids``: of what there is, for the parameters of paths.
    """
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    schema.config.update(base_url=gate.url)
    schema.config.generation.update(with_security_parameters=False)
    # Some of what is made up is longer than a body may be.
    refusals = schema.config.checks.negative_data_rejection
    refusals.expected_statuses = [*refusals.expected_statuses, "413"]
    strategy = schema[path][method].as_strategy(generation_mode=mode)
    found: list[tuple[Case[Any], Any]] = []

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def send(case: Case[Any]) -> None:
        case.path_parameters |= {name: ids[name] for name in case.path_parameters if name in ids}
        response = case.call(headers={"Authorization": f"Bearer {key}"})
        case.validate_response(response, checks=CHECKS)
        found.append((case, response))

    send()
    return found


def there_is(gate: Gate, key: str) -> dict[str, str]:
    """Make a key of a principal, and wait until the gate is registered; the ids of all."""
    body = json.dumps({"name": f"of-{secrets.token_hex(8)}", "roles": ["writer"]}).encode()
    fields = ("Content-Type: application/json",)
    made = json.loads(gate.ask("POST", "/-/api/v1/keys", *fields, key=key, body=body).body)
    ids = {"key": made["key"]["id"], "principal": made["key"]["principal"]["id"]}
    seconds_until(lambda: bool(gates(gate, key)), REGISTERED_SECONDS)
    return ids | {"upstream": "default", "gate": gates(gate, key)[0]}


def gates(gate: Gate, key: str) -> list[str]:
    """The ids of the gates that are registered."""
    found = json.loads(gate.ask("GET", "/-/api/v1/gates", key=key).body)["gates"]
    return [each["id"] for each in found]


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_what_the_document_allows_is_responded_to_as_it_says(
    gate: Gate, keys: dict[str, str], method: str, path: str
) -> None:
    ids = there_is(gate, keys["admin"])
    found = exercise(gate, keys["admin"], method, path, GenerationMode.POSITIVE, 15, ids)
    statuses = {response.status_code for _, response in found}
    assert 400 not in statuses
    # No lease is in force that a client makes up.
    assert statuses & ({409} if path.endswith("/renew") else {200, 201, 422})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        (method, path)
        for method, path in OPERATIONS
        if "{" in path
        or {"parameters", "requestBody"} & set(DOCUMENT["paths"][path][method.lower()])
    ],
)
def test_what_the_document_does_not_allow_is_refused(
    gate: Gate, keys: dict[str, str], method: str, path: str
) -> None:
    for case, response in exercise(gate, keys["admin"], method, path, GenerationMode.NEGATIVE, 15):
        assert 400 <= response.status_code < 500, (case, response.content)


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_a_viewer_may_write_nothing(
    gate: Gate, keys: dict[str, str], method: str, path: str
) -> None:
    found = exercise(gate, keys["viewer"], method, path, GenerationMode.POSITIVE, 5)
    assert {response.status_code for _, response in found} == {403}
