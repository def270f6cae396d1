"""The OpenAPI document of the admin API, made of what its handlers use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from pydantic.json_schema import JsonSchemaMode, models_json_schema

from headgate.contract import Row, table
from headgate.control.api import schema
from headgate.control.api.endpoints import ENDPOINTS, PREFIX, Endpoint
from headgate.control.api.values import Model
from headgate.policy import needed

_REF: Final = "#/components/schemas/{model}"
_NAMES: Final = "^[0-9A-Za-z_-]{1,100}$"
_PARAMETER: Final = re.compile(r"{(\w+)}")
_RESPONSES: Final = {
    "400": "The request is not one that this takes.",
    "401": "No key, or none that is good.",
    "403": "The key is good, but does not allow this; or you lack grants that this would give.",
    "404": "There is no such key, principal, upstream or gate.",
    "409": "It is at odds with what is there, such as a name in use or a park in force; or the "
    "gate has no keys, or its store no place for it.",
    "413": "The body is over 256 KiB.",
    "422": "The request can be read, but not be done as asked.",
    "429": "Too many requests together, or too many failed authentications.",
    "503": "The key store cannot be used.",
}
_INTRODUCTION: Final = """\
Principals, their keys, the roles in force, log levels, and maintenance of upstreams. The gate
serves it at its own address, below every public prefix.

Nobody can give what they do not have: who creates or changes a principal or a key needs every
grant that it has, before the change and after it.
"""


def description(version: str) -> dict[str, Any]:
    """The whole document; ``version``: of Headgate."""
    paths: dict[str, dict[str, Any]] = {}
    for row, endpoint in endpoints():
        paths.setdefault(row.operation.path, {})[row.method.lower()] = _operation(row, endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Headgate's admin API",
            "version": version,
            "description": _INTRODUCTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "servers": [{"url": "/"}],
        "security": [{"key": []}, {"basic": []}, {"header": []}],
        "tags": [
            {"name": "keys"},
            {"name": "principals"},
            {"name": "roles"},
            {"name": "log-levels"},
            {"name": "upstreams"},
            {"name": "gates"},
            {"name": "about"},
        ],
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A key of Headgate, or a token of an issuer that it trusts.",
                },
                "basic": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "The key as the password, with any user name.",
                },
                "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def endpoints() -> Iterator[tuple[Row, Endpoint]]:
    """Every endpoint with its method and path, in the order of the contract."""
    for row in table().gate_pages:
        if row.operation.name.startswith(PREFIX):
            yield row, ENDPOINTS[row.operation.name.removeprefix(PREFIX)]


def _operation(row: Row, endpoint: Endpoint) -> dict[str, Any]:
    operation = row.operation
    name = operation.name.removeprefix(PREFIX)
    group = name.partition("/")[0] if "/" in name else "about"
    asked = needed(operation.action, operation.family)
    needs = "Every good key may do this." if operation.any_key else f"Needs `{asked}`."
    found: dict[str, Any] = {
        "operationId": name.replace("/", "-"),
        "summary": endpoint.summary,
        "description": f"{needs} {endpoint.about}".strip(),
        "tags": [group],
        "responses": _responses(row, endpoint),
    }
    if parameters := [*_path_parameters(operation.path), *_query_parameters(endpoint)]:
        found["parameters"] = parameters
    if endpoint.body is not None:
        found["requestBody"] = {
            "required": not endpoint.body_optional,
            "content": {"application/json": {"schema": _ref(endpoint.body)}},
        }
    return found


def _path_parameters(path: str) -> Iterator[dict[str, Any]]:
    for name in _PARAMETER.findall(path):
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": f"The {'name' if name == 'upstream' else 'id'} of the {name}.",
            "schema": {"type": "string", "pattern": _pattern(name)},
        }


def _pattern(name: str) -> str:
    """What a parameter of a path has to be."""
    return _NAMES if name == "upstream" else f"^{name[0]}_[0-9A-Za-z]{{8}}$"


def _query_parameters(endpoint: Endpoint) -> Iterator[dict[str, Any]]:
    if endpoint.query is None:
        return
    for name, field in endpoint.query.model_json_schema()["properties"].items():
        found = {key: value for key, value in field.items() if key != "title"}
        text = found.pop("description", "")
        # A parameter is left out, and never null.
        choices = [each for each in found.pop("anyOf", ()) if each != {"type": "null"}]
        if choices:
            found = choices[0] | {key: found[key] for key in found if key != "default"}
        yield {"name": name, "in": "query", "description": text, "schema": found}


def _responses(row: Row, endpoint: Endpoint) -> dict[str, Any]:
    good: dict[str, Any] = {"description": endpoint.summary + "."}
    shape = {"type": "object"} if endpoint.response is None else _ref(endpoint.response)
    good["content"] = {"application/json": {"schema": shape}}
    statuses = ["400", "401", "429", "503"]
    if not row.operation.any_key:
        statuses.append("403")
    if "{" in row.operation.path or endpoint.handle is not None or endpoint.conflicts:
        statuses += ["404", "409"]
    if endpoint.body is not None:
        statuses += ["413"]
    if endpoint.handle is not None or (endpoint.conflicts and endpoint.body is not None):
        statuses += ["422"]
    error = {"application/json": {"schema": _ref(schema.Error)}}
    refused = {
        each: {"description": _RESPONSES[each], "content": error} for each in sorted(statuses)
    }
    return {str(endpoint.status): good, **refused}


def _ref(model: type[Model]) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}


def _schemas() -> dict[str, Any]:
    """Every schema by its name."""
    wanted: list[tuple[type[Model], JsonSchemaMode]] = []
    for endpoint in ENDPOINTS.values():
        if endpoint.response is not None:
            wanted.append((endpoint.response, "serialization"))
        if endpoint.body is not None:
            wanted.append((endpoint.body, "validation"))
    wanted.append((schema.Error, "serialization"))
    _, found = models_json_schema(wanted, ref_template=_REF)
    schemas: dict[str, Any] = found["$defs"]
    return {name: _untitled(schemas[name]) for name in sorted(schemas)}


def _untitled(value: Any) -> Any:
    """A schema without the titles that pydantic makes of the names of fields."""
    match value:
        case {"properties": dict() as properties}:
            rest = {k: _untitled(v) for k, v in value.items() if k not in {"title", "properties"}}
            return rest | {"properties": {k: _untitled(v) for k, v in properties.items()}}
        case dict():
            return {k: _untitled(v) for k, v in value.items() if k != "title"}
        case list():
            return [_untitled(each) for each in value]
        case _:
            return value
