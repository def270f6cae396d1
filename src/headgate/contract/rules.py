"""The decisions of ``rules.txt``, which says itself how it is written, as values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any

from headgate.model import (
    FAMILIES,
    Action,
    Created,
    ObjectField,
    ObjectKind,
    Place,
    Retry,
    SizeClass,
)

REFUSE = "refuse"
_SECTION = re.compile(r"\[([a-z-]+)\]((?: [a-z]+)*)")
_OBJECT = re.compile(r"([a-z-]+)(\?|\||)=(\{\w+\}|\?\w+|[\w-]+:|[\w.\[\]]+)")
_VERSION = re.compile(r"(\d\.\d)/(.+)")
_FLAGS = {
    "body": "by_body",
    "repeatable": "repeatable",
    "once": "once",
    "public": "public",
    "any-key": "any_key",
    "otlp": "otlp",
    "static": "static",
    "json": "json_only",
    "stores": "stores",
    "stores-nothing": "stores_nothing",
}
"""The details that are a word alone, and the field of ``RouteRule`` that each sets."""


@dataclass(frozen=True, slots=True)
class RouteRule:
    """One line.  ``action`` is none for a refused route; ``api``: the only version, or empty."""

    name: str
    family: str
    action: Action | None
    methods: tuple[str, ...]
    path: str
    api: str = ""
    objects: tuple[ObjectField, ...] = ()
    also: tuple[str, ...] = ()
    by_body: bool = False
    repeatable: bool = False
    once: bool = False
    size: SizeClass = SizeClass.API
    public: bool = False
    any_key: bool = False
    otlp: bool = False
    static: bool = False
    json_only: bool = False
    stores: bool = False
    stores_nothing: bool = False
    creates: Created | None = None

    def writes(self, method: str) -> bool:
        """Whether MLflow may change its database or its artifact store for ``method``."""
        is_read = method == "GET" or self.action is Action.READ
        return self.stores or not (is_read or self.stores_nothing)

    def retry(self, method: str) -> Retry:
        """Whether a second execution may be risked."""
        safe = self.repeatable or (method == "GET" and not self.once)
        return Retry.SAFE if safe else Retry.NEVER

    def objects_of(self, method: str, fields: frozenset[str]) -> tuple[ObjectField, ...]:
        """Where ``method`` names its objects; ``fields``: those of MLflow's message for it.

        A message is the query string of a GET and the JSON body of anything else
        (``mlflow.server.handlers._get_request_message``).
        """
        found = []
        for field in self.objects:
            if field.place is Place.BODY:
                found.append(_in_message(field, method))
            else:
                found.append(field)
                if field.place is Place.PATH and field.name in fields:
                    found.append(_in_message(field, method))
        return tuple(found)


def _in_message(field: ObjectField, method: str) -> ObjectField:
    """A field of MLflow's message where ``method`` has it; a query repeats the name alone."""
    if method == "GET":
        return replace(field, place=Place.QUERY, name=field.name.removesuffix("[]"))
    return replace(field, place=Place.BODY)


def read_rules() -> tuple[RouteRule, ...]:
    """All rules, in the order of the file."""
    text = resources.files("headgate.contract").joinpath("rules.txt").read_text("utf-8")
    return tuple(parse(text))


def parse(text: str) -> Iterator[RouteRule]:
    """The rules of a text.

    Raises:
        ValueError: for a line that is none, with its number.
    """
    family, shared = "", ""
    for number, line in enumerate(text.splitlines(), 1):
        section = _SECTION.fullmatch(line)
        if section:
            family, shared = section[1], section[2]
        elif line and not line.startswith("#"):
            try:
                yield _rule(family, *line.split(), *shared.split())
            except (TypeError, ValueError) as error:
                raise ValueError(f"rules.txt, line {number}: {error}") from error


def _rule(family: str, name: str, action: str, methods: str, path: str, *details: str) -> RouteRule:
    if (family not in FAMILIES) is not (action == REFUSE):
        raise ValueError(f"{family!r} is no family")
    version = _VERSION.fullmatch(path)
    rule = RouteRule(
        name,
        family,
        None if action == REFUSE else Action(action),
        tuple(methods.split("|")),
        version[2] if version else path,
        version[1] if version else "",
    )
    for detail in details:
        rule = _with_detail(rule, detail)
    return rule


def _with_detail(rule: RouteRule, detail: str) -> RouteRule:
    key, _, value = detail.partition("=")
    if detail in _FLAGS:
        flag: dict[str, Any] = {_FLAGS[detail]: True}
        rule = replace(rule, **flag)
    elif key == "size":
        rule = replace(rule, size=SizeClass(value))
    elif key == "creates":
        rule = replace(rule, creates=Created(value))
    elif key == "also" and value in FAMILIES:
        rule = replace(rule, also=(*rule.also, value))
    else:
        rule = replace(rule, objects=(*rule.objects, _object(rule, detail)))
    return rule


def _object(rule: RouteRule, detail: str) -> ObjectField:
    match = _OBJECT.fullmatch(detail)
    if match is None:
        raise ValueError(f"{detail!r} is no detail")
    kind, field = ObjectKind(match[1]), match[3]
    place, name = _place(rule, field)
    return ObjectField(kind, place, name, match[2] == "?", match[2] == "|")


def _place(rule: RouteRule, field: str) -> tuple[Place, str]:
    """Where a field of a rule stands, and its name there."""
    if field.startswith("{"):
        name = field.strip("{}")
        if f"{{{name}}}" not in rule.path and f"{{{name}:path}}" not in rule.path:
            raise ValueError(f"{field} is no parameter of {rule.path}")
        return Place.PATH, name
    if field.startswith("?"):
        return Place.QUERY, field[1:]
    if field.endswith(":"):
        return Place.HEADER, field[:-1]
    return Place.BODY, field
