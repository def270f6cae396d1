"""The names of the gate's environment variables, as Terraform's module for it checks them.

The module refuses a variable that no gate would read when Terraform plans, and not when a task has
started and ended.  ``make docs`` writes the file, from the same schema as the configuration page.
"""

from __future__ import annotations

import json
import types
from collections.abc import Iterator
from typing import Any, Final, Union, get_args, get_origin

from pydantic import BaseModel

from headgate.config import Config
from headgate.setting_sources import ENVIRONMENT_PREFIX

FILE: Final = "deploy/terraform/modules/gateway/environment.json"
_NAME: Final = "[A-Z0-9]+(?:[_-][A-Z0-9]+)*"
"""The name of an upstream, a role or an issuer; two underscores end it."""
_OTHERS: Final = ("HEADGATE_CONFIG", "MLFLOW_SERVER_URL")


def text() -> str:
    """The file: ``names`` as they are, and ``patterns`` of those with a name in them (RE2)."""
    settings = list(_settings((), Config))
    document = {
        "names": sorted([*_OTHERS, *(_variable(path) for path in settings if _NAME not in path)]),
        "patterns": sorted(f"^{_variable(path)}$" for path in settings if _NAME in path),
    }
    return json.dumps(document, indent=2) + "\n"


def _variable(path: tuple[str, ...]) -> str:
    return ENVIRONMENT_PREFIX + "__".join(part if part == _NAME else part.upper() for part in path)


def _settings(path: tuple[str, ...], model: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    """The path of each setting that one environment variable sets."""
    for name, field in model.model_fields.items():
        annotation: Any = field.annotation
        if get_origin(annotation) in (Union, types.UnionType):
            annotation = next(each for each in get_args(annotation) if each is not type(None))
        inner = get_args(annotation)[-1] if get_origin(annotation) is dict else annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            is_named = inner is not annotation
            yield from _settings((*path, name, *((_NAME,) if is_named else ())), inner)
        else:
            yield (*path, name)
