"""Where two revisions differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from headgate.deploy.ecs.masking import shown_value
from headgate.deploy.ecs.records import Revision
from headgate.deploy.ecs.secret_references import SecretReference
from headgate.deploy.ecs.template import REGISTERED

_NAMED = {"environment": "value", "secrets": "valueFrom"}
_BY = ("name", "key", "sourceVolume", "containerPort")


class Kind(Enum):
    """What a difference is about."""

    IMAGE = "image"
    ENVIRONMENT = "environment"
    SECRET = "secret"  # noqa: S105 - a kind
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Difference:
    """One place in which two revisions differ.

    Attributes:
        path: such as ``containerDefinitions.headgate.environment.HEADGATE_LOG__LEVEL``.
        before: the value in the first, as it may be shown; None if it has none.
        after: likewise in the second.
        container: the container; empty if it is about the whole task.
        name: of the environment variable or secret.
    """

    kind: Kind
    path: str
    before: str | None
    after: str | None
    container: str = ""
    name: str = ""

    def to_document(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "kind": self.kind.value,
            "path": self.path,
            "before": self.before,
            "after": self.after,
        }


def differences(first: Revision, second: Revision) -> tuple[Difference, ...]:
    """Where two revisions differ, of what can be registered; in the order of their paths."""
    return tuple(_differences(_taken(first.document), _taken(second.document)))


def drift(template: Revision, running: Revision, container: str) -> tuple[Difference, ...]:
    """Where the running revision differs from Terraform's template.

    The image of the gate's container may differ, and a secret may be pinned.
    """
    wanted = {
        (each["name"], secret["name"]): secret["valueFrom"]
        for each in template.document.get("containerDefinitions", ())
        for secret in each.get("secrets", ())
    }
    return tuple(
        each
        for each in differences(template, running)
        if not (each.kind is Kind.IMAGE and each.container == container)
        and not (
            each.kind is Kind.SECRET
            and _is_pin(wanted.get((each.container, each.name)), each.after)
        )
    )


def _is_pin(wanted: str | None, found: str | None) -> bool:
    """Whether a reference only adds the version to what the template has."""
    if wanted is None or found is None:
        return False
    before, after = SecretReference.read(wanted), SecretReference.read(found)
    if before is None or after is None or before.version or not after.version:
        return False
    return (before.secret, before.key) == (after.secret, after.key)


def _taken(document: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: document[name] for name in REGISTERED if name in document and name != "family"}


def _differences(
    first: Any, second: Any, path: tuple[str, ...] = (), container: str = ""
) -> Iterator[Difference]:
    before, after = _by_name(first, path), _by_name(second, path)
    if _is_empty(before) and _is_empty(after):
        return
    old, new = ({} if _is_empty(each) else each for each in (before, after))
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in sorted({**old, **new}, key=str):
            inside = name if path == ("containerDefinitions",) else container
            yield from _differences(old.get(name), new.get(name), (*path, str(name)), inside)
    elif before != after:
        yield _difference(path, before, after, container)


def _difference(path: tuple[str, ...], before: Any, after: Any, container: str) -> Difference:
    kind, name = Kind.OTHER, ""
    match path:
        case ("containerDefinitions", _, "image"):
            kind = Kind.IMAGE
        case ("containerDefinitions", _, "environment", name):
            kind = Kind.ENVIRONMENT
        case ("containerDefinitions", _, "secrets", name):
            kind = Kind.SECRET
    return Difference(
        kind,
        ".".join(path),
        _shown(kind, name or path[-1], before),
        _shown(kind, name or path[-1], after),
        container,
        name,
    )


def _shown(kind: Kind, name: str, value: Any) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else repr(value)
    return text if kind in {Kind.SECRET, Kind.IMAGE} else shown_value(name, text)


def _by_name(value: Any, path: tuple[str, ...]) -> Any:
    """Lists of named elements as mappings, because their order means nothing."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return value
    if path and path[-1] in _NAMED and len(path) == 3:
        member = _NAMED[path[-1]]
        return {each["name"]: each.get(member, "") for each in value}
    for by in _BY:
        if value and all(isinstance(each, Mapping) and by in each for each in value):
            names = [str(each[by]) for each in value]
            if len(set(names)) == len(names):
                return dict(zip(names, value, strict=True))
    return list(value)


def _is_empty(value: Any) -> bool:
    """What AWS adds to a definition that lacks it: empty lists and objects, and no value."""
    return value is None or value in ([], {}, ())
