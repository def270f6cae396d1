"""The page of routes, from ``headgate.contract``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from docs.reference_pages.markdown import GENERATED, table
from headgate.contract import Dialect, Row, classify, translate, with_static_prefix
from headgate.contract import table as routes
from headgate.errors import Refusal
from headgate.model import FAMILIES, ObjectField, Place

_INTRODUCTION = """# Routes

The gate knows every MLflow route. It refuses requests for other paths with 404 and
`route_unknown`. It decides on the operation, not on the spelling: routes below `/api` and
`/ajax-api` are the same, `2.0` and `3.0` are the same where MLflow treats them alike, and `HEAD`
is the same as `GET`. The gate removes its public prefixes, such as `/mlflow`, before it looks up
the route. `headgate routes` prints this table; `headgate routes --json` prints everything that the
gate knows about each route.

A key needs a grant for the *action* on the family: `read`, `write`, `delete` or `administer`.
*Since* is the oldest MLflow version that has the route, of the versions that the table was
generated from:
{versions}.
*Objects* are what grants can be narrowed to, and where the request names them: a `{{parameter}}`
of the path, a `?field` of the query string, a `header:`, or a field of the JSON body; `[]` marks a
list.
"""
_TRANSLATION = """
## What the gate sends to an upstream

The gate translates the path into the form that the version and the prefix of the upstream need.

"""
_PREFIXED = Dialect("3.17.2", b"/tracking")
_STATIC_PREFIX = with_static_prefix("3.17.2", b"/tracking")
_ARTIFACT = "/api/2.0/mlflow-artifacts/artifacts/1/…/model.bin"
_EXAMPLES = (
    ("MLflow 3.17.2", "GET", "/api/2.0/mlflow/runs/get", Dialect("3.17.2")),
    ("one below `/tracking`", "GET", "/api/2.0/mlflow/runs/get", _PREFIXED),
    ("one with `--static-prefix /tracking`", "GET", "/get-artifact", _STATIC_PREFIX),
    ("the same, for a route of FastAPI, which has no prefix", "PUT", _ARTIFACT, _STATIC_PREFIX),
    (
        "one that serves only `/api`",
        "GET",
        "/ajax-api/2.0/mlflow/runs/get",
        Dialect("3.17.2", apis=frozenset({b"api"})),
    ),
    (
        "one that serves only `/api`",
        "GET",
        "/ajax-api/3.0/mlflow/ui-telemetry",
        Dialect("3.17.2", apis=frozenset({b"api"})),
    ),
    ("MLflow 2.22.1", "POST", "/api/3.0/mlflow/traces/search", Dialect("2.22.1")),
)


def page() -> str:
    """The whole page."""
    versions = ", ".join(routes().versions)
    parts = [GENERATED, _INTRODUCTION.format(versions=versions), _TRANSLATION, _translations()]
    for name, family in FAMILIES.items():
        rows = [row for row in routes().rows if row.operation.family == name]
        parts.append(f"\n## `{name}`\n\n{family.covers}\n\n{_family(rows)}")
    return "".join(parts)


def _translations() -> str:
    header = ("Upstream", "Request", "Sent")
    return table(header, (_translation(*example) for example in _EXAMPLES))


def _translation(upstream: str, method: str, path: str, dialect: Dialect) -> Sequence[str]:
    encoded = path.replace("…", "%E2%80%A6").encode("ascii")
    operation = classify(method.encode("ascii"), encoded)
    if operation is None:
        raise ValueError(f"{method} {path} is no longer a route")
    translated = translate(method.encode("ascii"), operation, encoded, dialect)
    if isinstance(translated, Refusal):
        sent = f"nothing; the client gets a 404: *{translated.message}*"
    else:
        sent = f"`{translated.path.decode('ascii').replace('%E2%80%A6', '…')}`"
    return upstream, f"`{method} {path}`", sent


def _family(rows: Sequence[Row]) -> str:
    return table(("Operation", "Route", "Action", "Objects", "Since"), map(_row, rows))


def _row(row: Row) -> Sequence[str]:
    operation = row.operation
    action = operation.action.value
    if operation.also:
        action += f", also on {', '.join(operation.also)}"
    return (
        f"`{operation.name}`",
        f"`{row.method} {row.paths[-1]}`",
        _asked_of(row, action),
        ", ".join(_objects(operation.objects)),
        operation.since or "the gate's own",
    )


def _asked_of(row: Row, action: str) -> str:
    if row.operation.public:
        return f"{action}, without a key"
    return f"{action}, for every key" if row.operation.any_key else action


def _objects(fields: Sequence[ObjectField]) -> Iterator[str]:
    forms = {Place.PATH: "{{{}}}", Place.QUERY: "?{}", Place.HEADER: "{}:", Place.BODY: "{}"}
    for field in fields:
        yield f"{field.kind.value} `{forms[field.place].format(field.name)}`"
