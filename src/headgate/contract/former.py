"""Routes of MLflow 1.x that MLflow 2.0 removed, which clients of that time still ask for.

Those of mlflow/protos/service.proto and model_registry.proto of 1.30.1: everything below
``/preview``, and the lists that searches have replaced.
"""

from __future__ import annotations

from typing import Final

_APIS: Final = (b"/api/2.0/", b"/ajax-api/2.0/")
_BELOW: Final = b"preview/mlflow/"
_REMOVED: Final = frozenset({b"mlflow/experiments/list", b"mlflow/registered-models/list"})


def is_former(path: bytes) -> bool:
    """Whether the canonical, unprefixed ``path`` is that of such a route."""
    rest = next((path.removeprefix(api) for api in _APIS if path.startswith(api)), b"")
    return rest in _REMOVED or rest.startswith(_BELOW)
