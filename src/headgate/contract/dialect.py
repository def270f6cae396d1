"""From the canonical path of an operation to the one that an upstream has.

Public prefixes are gone before and paths have one spelling; this is about what differs between
servers: the path they run under, which of ``/api`` and ``/ajax-api`` they have, and what their
version does not have yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from headgate.contract.snapshots import numbers
from headgate.contract.table import Mounted, shape, table
from headgate.errors import Refusal
from headgate.model import BodyHandling, Operation
from headgate.reasons import Reason

APIS = frozenset({b"api", b"ajax-api"})


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one upstream wants to be spoken to.

    Attributes:
        version: of its MLflow; empty if it is not known.
        base: the path that it runs under, such as ``/tracking``; empty if under none.
        bare: what it serves without ``base``; see ``with_static_prefix``.
        apis: which of ``api`` and ``ajax-api`` it has.
    """

    version: str = ""
    base: bytes = b""
    bare: frozenset[Mounted] = frozenset()
    apis: frozenset[bytes] = APIS


class TranslatedRequest(NamedTuple):
    """A request in an upstream's dialect: the path, and how its body travels."""

    path: bytes
    body: BodyHandling


def with_static_prefix(version: str, prefix: bytes) -> Dialect:
    """The dialect of an MLflow that was started with ``--static-prefix`` and is reached directly.

    No version moves all of its routes below the prefix: up to 3.11 those below ``/api`` stay where
    they are, up to 3.15 what FastAPI serves, and to this day its artifact routes.  Of these Flask
    has a copy below the prefix, which keeps a whole artifact in memory.
    """
    return Dialect(version, prefix, table().bare(version))


def translate(
    method: bytes, operation: Operation, path: bytes, dialect: Dialect
) -> TranslatedRequest | Refusal:
    """What to send for ``operation``, which the canonical ``path`` stands for.

    A HEAD is sent as the GET that it asks about.

    A refusal says what the upstream lacks.
    """
    needed = _needed(operation, path, dialect.version)
    if needed:
        return _refusal(
            f"this route ({operation.name}) needs {needed}; the server runs {dialect.version}"
        )
    if not dialect.apis >= APIS and operation.mounts:
        spelled = _below_answered_api(operation, path, dialect.apis)
        if spelled is None:
            return _refusal(
                f"MLflow has this route ({operation.name}) below "
                f"{' and '.join(sorted(_apis_of(operation)))} alone, where the server has no routes"
            )
        path = spelled
    moved = dialect.base + path
    if dialect.bare and _mounted(method, operation, path) in dialect.bare:
        moved = path
    return TranslatedRequest(moved, body_handling(operation, dialect.version))


def _mounted(method: bytes, operation: Operation, path: bytes) -> Mounted:
    asked = "GET" if method == b"HEAD" else method.decode("ascii")
    return Mounted(asked, _mount(operation, path), shape(operation.path))


def _mount(operation: Operation, path: bytes) -> str:
    """Where ``path`` has the operation, such as ``/api/2.0``."""
    return b"/".join(path.split(b"/", 3)[:3]).decode("ascii") if operation.mounts else ""


def body_handling(operation: Operation, version: str) -> BodyHandling:
    """How a body travels to an MLflow of that version; with its length if it is not known.

    All versions take a body with its length.  Where Flask serves the route, a chunked one is lost
    if the server is uvicorn, whose bridge to Flask hands it on as empty; gunicorn, which runs 2.x
    and can be made to run 3.x, would keep it, but nothing tells which of the two it is.
    """
    native = operation.native_since and numbers(version) >= numbers(operation.native_since)
    return BodyHandling.STREAM if native else BodyHandling.LENGTH


def lacks(operation: Operation, version: str) -> bool:
    """Whether a version surely has no such route; not if neither is known.

    A release that only repairs (3.10.1) has the routes of the one it repairs (3.10.0).
    """
    if not operation.not_in or not version:
        return False
    return numbers(version)[:2] <= numbers(operation.not_in)[:2]


def _needed(operation: Operation, path: bytes, version: str) -> str:
    """What an MLflow of that version must be to have ``path``, if this one surely lacks it."""
    major = numbers(operation.since)[:1]
    if lacks(operation, version) and major == numbers(operation.not_in)[:1]:
        return f"an MLflow newer than {operation.not_in}"
    if lacks(operation, version):
        return f"MLflow {major[0]}.x"
    mount = _mount(operation, path)
    if mount.endswith("/3.0") and mount in operation.mounts and () < numbers(version) < (3,):
        return "MLflow 3.x"  # as 2.0 it may be older
    return ""


def _below_answered_api(operation: Operation, path: bytes, apis: frozenset[bytes]) -> bytes | None:
    """The spelling of ``path`` that an upstream has, if there is one."""
    _, api, rest = path.split(b"/", 2)
    if api in apis:
        return path
    for other in sorted(apis):
        if f"/{other.decode('ascii')}" in _apis_of(operation):
            return b"/%b/%b" % (other, rest)
    return None


def _apis_of(operation: Operation) -> set[str]:
    return {mount.rpartition("/")[0] for mount in operation.mounts}


def _refusal(what: str) -> Refusal:
    return Refusal(Reason.ROUTE_UNKNOWN, f"Headgate did not forward the request: {what}.")
