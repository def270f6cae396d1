"""Every route that some MLflow answers has a decision, and every decision is about a route."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import pytest

from headgate.contract import table
from headgate.contract.messages import Message
from headgate.contract.other_ids import LIKE_AN_ID, NO_OBJECTS, NO_OBJECTS_OF
from headgate.contract.rules import RouteRule, parse, read_rules
from headgate.contract.snapshots import SnapshotRoute, numbers, read_snapshots
from headgate.contract.table import paths, shape
from headgate.model import FAMILIES, Action, ObjectField, ObjectKind, Place, Retry, SizeClass
from headgate.policy.scopes import NARROWED_BY

KNOWN = read_snapshots()
RULES = read_rules()
PARAMETER = re.compile(r"{(\w+)(?::path)?}")
ONLY_FOR_ADMINISTRATORS = {"webhooks", "jobs", "assistant"}


@pytest.mark.parametrize("version", KNOWN)
def test_every_route_of_each_version_has_a_rule(version: str) -> None:
    ruled = {
        (method, shape(path)) for rule in RULES for method in rule.methods for path in paths(rule)
    }
    without = {
        (route.method, full_path(route))
        for route in KNOWN[version]
        if (route.method, shape(full_path(route))) not in ruled
    }
    assert without == set()


@pytest.mark.parametrize("version", KNOWN)
def test_every_object_that_a_message_names_is_in_the_rule(version: str) -> None:
    """With one missing, a narrowed key could act on objects of others."""
    named = {
        (row.method, shape(path)): {field.name for field in row.operation.objects}
        for row in table().rows
        for path in row.paths
    }
    left_out = {
        (route.method, full_path(route), field)
        for route in KNOWN[version]
        for field, _ in route.objects
        if named.get((route.method, shape(full_path(route))), {field}).isdisjoint(
            {field, field.removesuffix("[]") if route.method == "GET" else field}
        )
    }
    assert left_out == set()


def test_there_are_data_of_old_and_new_versions() -> None:
    """Files that nobody finds would let the other tests pass."""
    assert {"2.22.5", "3.17.2"} <= set(KNOWN)
    assert list(KNOWN) == sorted(KNOWN, key=numbers)
    assert all(len(routes) > 150 for routes in KNOWN.values())


def test_every_rule_is_about_a_route() -> None:
    """A rule of no route has a mistake in its path, and the route no rule."""
    known = {
        (route.method, shape(full_path(route))) for routes in KNOWN.values() for route in routes
    }
    idle = [
        (rule.name, method)
        for rule in RULES
        for method in rule.methods
        if (
            (rule.family not in FAMILIES or not FAMILIES[rule.family].gate_pages)
            and not any((method, shape(path)) in known for path in paths(rule))
        )
    ]
    assert idle == []


def test_each_name_is_given_once() -> None:
    assert [name for name, times in Counter(rule.name for rule in RULES).items() if times > 1] == []


def test_what_is_only_for_administrators() -> None:
    for rule in RULES:
        if rule.family in ONLY_FOR_ADMINISTRATORS or "secrets" in rule.name:
            assert rule.action is Action.ADMINISTER, rule.name


def test_a_get_only_reads_and_a_delete_never_does() -> None:
    for rule in RULES:
        if "GET" in rule.methods:
            assert rule.action in {Action.READ, Action.ADMINISTER}, rule.name
        if "DELETE" in rule.methods:
            assert rule.action is not Action.READ, rule.name


def test_what_anybody_may_ask_without_a_key() -> None:
    """Of the gate's own pages, those that tell nobody's names."""
    assert {rule.path for rule in RULES if rule.public} == {
        *("/-/livez", "/-/readyz", "/health", "/-/health", "/-/health/{api}"),
        *("/health/mlflow", "/health/mlflow/detailed"),
    }


def test_all_of_a_line_is_read() -> None:
    text = (
        "# a comment\n\n[traces]\n"
        "traces/x  write  POST|PUT  3.0/mlflow/x/{trace_id}  trace={trace_id} run?=a.b[].run_id"
        " experiment=x-id: path=?path also=runs size=traces repeatable\n"
    )
    assert list(parse(text)) == [
        RouteRule(
            "traces/x",
            "traces",
            Action.WRITE,
            ("POST", "PUT"),
            "mlflow/x/{trace_id}",
            api="3.0",
            objects=(
                ObjectField(ObjectKind.TRACE, Place.PATH, "trace_id"),
                ObjectField(ObjectKind.RUN, Place.BODY, "a.b[].run_id", may_be_new=True),
                ObjectField(ObjectKind.EXPERIMENT, Place.HEADER, "x-id"),
                ObjectField(ObjectKind.PATH, Place.QUERY, "path"),
            ),
            also=("runs",),
            repeatable=True,
            size=SizeClass.TRACES,
        )
    ]


@pytest.mark.parametrize(
    "line",
    [
        "runs/x  read  GET",
        "runs/x  look  GET  mlflow/x",
        "runs/x  refuse  GET  mlflow/x",
        "runs/x  read  GET  mlflow/x  size=huge",
        "runs/x  read  GET  mlflow/x  also=running",
        "runs/x  read  GET  mlflow/x  runner=run_id",
        "runs/x  read  GET  mlflow/x  run={run_id}",
        "runs/x  read  GET  mlflow/x  run",
        "runs/x  read  GET  mlflow/x  run=",
    ],
)
def test_a_line_that_says_nothing_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"rules\.txt, line 2: "):
        list(parse(f"[runs]\n{line}\n"))


def test_details_of_a_family_hold_for_each_of_its_lines() -> None:
    lines = "runs/x  read  GET  mlflow/x\nruns/y  read  GET  mlflow/y  once\n"
    first, second = parse(f"[runs] json\n{lines}")
    assert (first.json_only, first.once) == (True, False)
    assert (second.json_only, second.once) == (True, True)
    assert not any(rule.json_only for rule in parse(f"[runs]\n{lines}"))


def test_a_line_of_no_family_is_refused() -> None:
    with pytest.raises(ValueError, match="line 2: 'run' is no family"):
        list(parse("[run]\nrun/x  read  GET  mlflow/x\n"))


def test_a_message_is_the_query_of_a_get_and_the_body_of_the_rest() -> None:
    (rule,) = parse("[runs]\nruns/x  read  GET|POST  mlflow/x/{run_id}  run={run_id} run=other\n")
    in_path = ObjectField(ObjectKind.RUN, Place.PATH, "run_id")
    assert rule.objects_of("GET", frozenset()) == (
        in_path,
        ObjectField(ObjectKind.RUN, Place.QUERY, "other"),
    )
    assert rule.objects_of("POST", frozenset()) == (
        in_path,
        ObjectField(ObjectKind.RUN, Place.BODY, "other"),
    )


def test_a_query_repeats_the_name_of_a_field_that_holds_several() -> None:
    (rule,) = parse("[runs]\nruns/x  read  GET|POST  mlflow/x  run=run_ids[]\n")
    assert rule.objects_of("GET", frozenset()) == (
        ObjectField(ObjectKind.RUN, Place.QUERY, "run_ids"),
    )
    assert rule.objects_of("POST", frozenset()) == (
        ObjectField(ObjectKind.RUN, Place.BODY, "run_ids[]"),
    )


def test_a_parameter_that_is_a_field_too_is_looked_for_in_both() -> None:
    """MLflow finalizes the logged model of the body, not that of the path."""
    (rule,) = parse("[runs]\nruns/x  write  PATCH  mlflow/x/{run_id}  run={run_id}\n")
    assert rule.objects_of("PATCH", frozenset({"run_id"})) == (
        ObjectField(ObjectKind.RUN, Place.PATH, "run_id"),
        ObjectField(ObjectKind.RUN, Place.BODY, "run_id"),
    )


@pytest.mark.parametrize(
    ("details", "get", "post"),
    [
        ("", Retry.SAFE, Retry.NEVER),
        ("repeatable", Retry.SAFE, Retry.SAFE),
        ("once", Retry.NEVER, Retry.NEVER),
    ],
)
def test_what_may_be_sent_twice(details: str, get: Retry, post: Retry) -> None:
    (rule,) = parse(f"[runs]\nruns/x  read  GET|POST  mlflow/x  {details}\n")
    assert (rule.retry("GET"), rule.retry("POST")) == (get, post)


def full_path(route: SnapshotRoute) -> str:
    return f"{route.mount}/{route.path}" if route.mount else route.path


def test_what_may_be_named_instead_of_the_first_object() -> None:
    (rule,) = parse(
        "[runs]\na write POST mlflow/a run=run_id logged-model|=model_id trace?=trace_id"
    )
    assert [(each.name, each.may_be_new, each.instead) for each in rule.objects] == [
        ("run_id", False, False),
        ("model_id", False, True),
        ("trace_id", True, False),
    ]


def test_every_id_that_a_request_may_name_is_an_object_or_known_to_be_none() -> None:
    """Of each message, and of each name that a handler reads by itself, in every known version."""
    unknown: set[str] = set()
    listed: set[str] = set()
    for row in table().rows:
        reader = table().reader(row.operation)
        objects = {field.name.replace("[]", "") for field in row.operation.objects}
        for name in {*scalars_of(reader.message), *reader.names} - objects:
            if LIKE_AN_ID.search(name.rpartition(".")[2]):
                (listed if name in NO_OBJECTS else unknown).add(name)
    assert unknown == set()
    assert listed == NO_OBJECTS


def scalars_of(message: Message, within: str = "", above: tuple[str, ...] = ()) -> Iterator[str]:
    """The fields of a message and of those in it, dotted."""
    for field in {each.name: each for each in message.fields.values()}.values():
        inner = field.message
        if inner is None:
            yield within + field.name
        elif inner.name not in above:
            yield from scalars_of(inner, f"{within}{field.name}.", (*above, inner.name))


def test_every_id_of_a_path_or_of_a_route_of_fastapi_is_an_object_or_known_to_be_none() -> None:
    """What no message holds: parameters of paths, and headers, queries and models of FastAPI."""
    operations = {
        (row.method, shape(path)): row.operation for row in table().rows for path in row.paths
    }
    found = set()
    for routes in KNOWN.values():
        for route in routes:
            operation = operations.get((route.method, shape(full_path(route))))
            if operation is None:
                continue  # nobody reaches it
            objects = {field.name.replace("[]", "") for field in operation.objects}
            fields = {field.rstrip(":") for field in route.fields if route.native}
            for name in {*fields, *PARAMETER.findall(route.path)} - objects:
                if LIKE_AN_ID.search(name.replace("-", "_")) and name not in NO_OBJECTS:
                    found.add((operation.name, name))
    assert found == NO_OBJECTS_OF


def test_what_names_an_object_for_administrators_alone_is_for_them_alone() -> None:
    """A field that is an object elsewhere may go without a rule only where no key is narrowed."""
    elsewhere = {"experiment_id", "request_id", "path"}
    for row in table().rows:
        if any((row.operation.name, name) in NO_OBJECTS_OF for name in elsewhere):
            assert row.operation.family not in NARROWED_BY[ObjectKind.EXPERIMENT]
            assert row.operation.family not in NARROWED_BY[ObjectKind.MODEL]
