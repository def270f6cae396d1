"""The hook that pauses a blue/green deployment while only test traffic reaches what is new.

The names are those of botocore's model of ECS (``deploymentConfiguration.lifecycleHooks``).
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final

STAGE: Final = "POST_TEST_TRAFFIC_SHIFT"
"""All test traffic reaches the new revision, and no production traffic does."""
MINUTES: Final = 30
"""After this time without a decision ECS rolls back by itself."""

HOOK: Final[Mapping[str, Any]] = {
    "targetType": "PAUSE",
    "lifecycleStages": [STAGE],
    "timeoutConfiguration": {"timeoutInMinutes": MINUTES, "action": "ROLLBACK"},
}


def with_pause(configuration: Mapping[str, Any] | None) -> dict[str, Any]:
    """A ``deploymentConfiguration`` with the hook, besides the hooks that it has."""
    changed = deepcopy(dict(configuration or {}))
    hooks = [each for each in changed.get("lifecycleHooks", ()) if not _pauses_there(each)]
    return changed | {"lifecycleHooks": [*hooks, deepcopy(dict(HOOK))]}


def without_pauses(configuration: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A ``deploymentConfiguration`` without hooks that pause; None if nothing changes."""
    hooks = (configuration or {}).get("lifecycleHooks", ())
    kept = [each for each in hooks if each.get("targetType") != "PAUSE"]
    if configuration is None or len(kept) == len(hooks):
        return None
    return deepcopy(dict(configuration)) | {"lifecycleHooks": kept}


def _pauses_there(hook: Mapping[str, Any]) -> bool:
    return hook.get("targetType") == "PAUSE" and STAGE in hook.get("lifecycleStages", ())
