"""What a grant can be narrowed to, and which grants apply to a family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from headgate.model import FAMILIES, Grant, ObjectKind

NARROWED_BY: Final[Mapping[ObjectKind, frozenset[str]]] = {
    kind: frozenset(name for name, family in FAMILIES.items() if kind in family.narrowed_by)
    for kind in (ObjectKind.EXPERIMENT, ObjectKind.MODEL)
}
"""The families whose objects lie in an experiment, or belong to a registered model."""

OF_NO_WORKSPACE: Final = frozenset(
    name for name, family in FAMILIES.items() if not family.per_workspace
)
"""The families that act on a whole server, whatever workspace a request names."""

OF_NO_UPSTREAM: Final = frozenset(
    name for name, family in FAMILIES.items() if not family.per_upstream
)

LIES_IN: Final[Mapping[ObjectKind, tuple[ObjectKind, str]]] = {
    ObjectKind.EXPERIMENT: (ObjectKind.EXPERIMENT, "experiments"),
    ObjectKind.EXPERIMENT_NAME: (ObjectKind.EXPERIMENT, "experiments"),
    ObjectKind.RUN: (ObjectKind.EXPERIMENT, "runs"),
    ObjectKind.LOGGED_MODEL: (ObjectKind.EXPERIMENT, "logged-models"),
    ObjectKind.TRACE: (ObjectKind.EXPERIMENT, "traces"),
    ObjectKind.DATASET: (ObjectKind.EXPERIMENT, "datasets"),
    ObjectKind.ASSESSMENT: (ObjectKind.EXPERIMENT, "assessments"),
    ObjectKind.ARTIFACT: (ObjectKind.EXPERIMENT, "artifacts"),
    ObjectKind.LOCATION: (ObjectKind.EXPERIMENT, "artifacts"),
    ObjectKind.MODEL: (ObjectKind.MODEL, "models"),
}
"""For each kind of object, what its name is looked up in, and the family that it is read with.

A ``PATH`` and a ``LOCAL_FILE`` lie in the object named beside them, and a grant for workspaces is
never narrowed.
"""


def counts_for(grant: Grant, family: str) -> bool:
    """Whether the grant can allow anything on ``family``."""
    if grant.family is not None and grant.family != family:
        return False
    if grant.on is not None and family not in NARROWED_BY[grant.on.kind]:
        return False
    if grant.workspace is not None and family in OF_NO_WORKSPACE:
        return False
    return grant.upstream is None or family not in OF_NO_UPSTREAM
