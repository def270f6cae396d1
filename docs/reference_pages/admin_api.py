"""The page of the admin API, from its OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from docs.reference_pages.markdown import GENERATED, table
from headgate import __version__
from headgate.control.api import description

_INTRODUCTION = """# Admin API

What `headgate keys`, `headgate principals` and `headgate log-level` do, over HTTP, for
[programs](../how-to/administer-over-http.md). A running gate serves its OpenAPI 3.1 document at
`/-/api/v1/openapi.json`; this page is made from the same.

- Send a key as to MLflow: `Authorization: Bearer hg_…`, Basic, or `X-API-Key`. Reading needs
  `read:gate`, which every built-in role but `llm-user` has; changing needs `administer:gate`, which
  only `admin` has.
- **Nobody gives what they do not have.** Who creates or changes a principal or a key needs every
  grant that it has, before the change and after it. What counts are the grants of the key that is
  shown, after its narrowing. To revoke, to disable and to bring an end forward takes
  `administer:gate` alone.
- Bodies are JSON in UTF-8 with `Content-Type: application/json`, of at most 256 KiB. A field that
  is not listed here, a name that stands twice, or a value of another type is refused with 400, and
  nothing is done.
- Refusals have MLflow's form, `{"error_code": …, "message": …}`, with the
  [reason code](reason-codes.md) as `reason` and in the header field `X-Headgate-Reason`.
- Lists have pages: pass the `next_cursor` of one as `cursor` to get the next; `null` says that it
  is the last.
- Every response has `Cache-Control: no-store`. A secret is only in the response that creates its
  key. No log has it.
- Each change is an event in the event log of the gate that made it:
  [`administered`](events.md), or `log_level_set`.
- Times are in UTC, as `2026-11-28T22:27:05Z`. Fields may be added to responses; none is removed or
  changes its meaning within `v1`.
"""
_VERBS = ("get", "post", "patch")


def page() -> str:
    """The whole page."""
    document = description(__version__)
    parts = [GENERATED, _INTRODUCTION]
    for tag in document["tags"]:
        parts.append(f"\n## {tag['name'].replace('-', ' ').capitalize()}\n")
        parts += _of_tag(document, tag["name"])
    parts.append("\n## Objects\n")
    for name, schema in document["components"]["schemas"].items():
        if schema.get("properties"):
            parts.append(_object(name, schema))
    return "".join(parts)


def _of_tag(document: Mapping[str, Any], tag: str) -> Iterator[str]:
    for path, methods in document["paths"].items():
        for verb in _VERBS:
            if verb in methods and tag in methods[verb]["tags"]:
                yield _operation(path, verb, methods[verb])


def _operation(path: str, verb: str, operation: Mapping[str, Any]) -> str:
    lines = [
        f"\n### `{verb.upper()} {path}`\n",
        f"{operation['summary']}. {operation['description']}\n",
    ]
    rows = [
        (f"`{each['name']}`", _kind(each["schema"]), each["description"])
        for each in operation.get("parameters", ())
        if each["in"] == "query"
    ]
    if rows:
        lines.append(table(("Parameter", "Value", "Meaning"), rows))
    body = operation.get("requestBody")
    if body is not None:
        name = _name(body["content"]["application/json"]["schema"])
        optional = "" if body["required"] else ", which may be left out"
        shown = "" if name == "Nothing" else f"Body: {_link(name)}{optional}.\n"
        lines.append(shown)
    lines.append(_responses(operation["responses"]))
    return "\n".join(filter(None, lines))


def _responses(responses: Mapping[str, Any]) -> str:
    good = next(status for status in responses if status.startswith("2"))
    schema = responses[good]["content"]["application/json"]["schema"]
    what = _link(_name(schema)) if "$ref" in schema else "the document"
    refused = ", ".join(status for status in responses if status != good)
    return f"Response: {good} with {what}; or {refused}.\n"


def _object(name: str, schema: Mapping[str, Any]) -> str:
    needed = schema.get("required", ())
    is_request = any(
        "default" in each or "maxLength" in each for each in schema["properties"].values()
    )
    rows = [
        (
            f"`{field}`" + (", required" if is_request and field in needed else ""),
            _kind(each),
            each.get("description", ""),
        )
        for field, each in schema["properties"].items()
    ]
    return f"\n### {name}\n\n{schema['description']}\n\n" + table(
        ("Field", "Value", "Meaning"), rows
    )


def _kind(schema: Mapping[str, Any]) -> str:
    """The values that a schema allows, in some words."""
    match schema:
        case {"$ref": _}:
            found = _link(_name(schema))
        case {"anyOf": choices}:
            found = " or ".join(map(_kind, choices))
        case {"const": value}:
            found = f'`"{value}"`'
        case {"enum": values}:
            found = " or ".join(f'`"{each}"`' for each in values)
        case {"type": "array", "items": items}:
            found = f"list of {_kind(items)}"
        case {"type": "null"}:
            found = "`null`"
        case {"format": "date-time"}:
            found = "time"
        case {"type": kind, "minimum": least, "maximum": most}:
            found = f"{kind}, {least} to {most}"
        case {"type": kind, "maxLength": longest}:
            found = f"{kind} of at most {longest} characters"
        case _:
            found = schema["type"]
    return found


def _name(schema: Mapping[str, Any]) -> str:
    reference: str = schema["$ref"]
    return reference.rpartition("/")[2]


def _link(name: str) -> str:
    return f"[{name}](#{name.lower()})"
