"""Reads a TOML file and the environment into a ``Config``, or reports all problems."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from headgate.config import otlp
from headgate.config.messages import message_of
from headgate.config.schema import Config
from headgate.errors import ConfigError, Problem
from headgate.setting_sources import SHORTHAND, path_of, read


def load(
    file: Path | None,
    environment: Mapping[str, str],
    overrides: Mapping[str, Any] | None = None,
) -> Config:
    """Build the configuration: file, then environment, then command-line ``overrides``.

    ``overrides`` maps dotted paths (``listen.port``) to values; ``None`` values are skipped.
    A setting ``a.b`` is ``HEADGATE_A__B`` in the environment; ``MLFLOW_SERVER_URL`` is a short
    name for ``upstreams.default.url``, which overrides it.  OpenTelemetry's own variables are
    defaults of ``telemetry.otlp``.

    Raises:
        ConfigError: there are problems; it has all of them, each with its path.
    """
    tree = read(file) if file is not None else {}
    origin: dict[str, str] = {}
    for name, value in sorted(environment.items(), key=lambda item: item[0] not in SHORTHAND):
        path = path_of(name)
        if path is not None:
            _put(tree, path, value)
            origin[".".join(path)] = name
    _put_defaults(tree, environment, origin)
    for dotted, value in (overrides or {}).items():
        if value is not None:
            _put(tree, tuple(dotted.split(".")), value)
            origin.pop(dotted, None)
    try:
        config = Config.model_validate(tree)
    except ValidationError as error:
        raise ConfigError([_problem(item, origin) for item in error.errors()]) from None
    if conflicts := config.conflicts():
        raise ConfigError(conflicts)
    return config


def _put(
    tree: dict[str, Any], path: tuple[str, ...], value: object, *, only_if_missing: bool = False
) -> bool:
    """Set one value in the tree; returns whether that could be done."""
    for key in path[:-1]:
        branch = tree.setdefault(key, {})
        if not isinstance(branch, dict):
            return False  # the validation of `branch` reports the problem
        tree = branch
    if only_if_missing and path[-1] in tree:
        return False
    tree[path[-1]] = value
    return True


def _put_defaults(
    tree: dict[str, Any], environment: Mapping[str, str], origin: dict[str, str]
) -> None:
    """Set what OpenTelemetry's own variables say and nothing else does."""
    telemetry = tree.get("telemetry", {})
    table = telemetry.get("otlp", {}) if isinstance(telemetry, dict) else {}
    has_endpoint = isinstance(table, dict) and bool(table.get("endpoint"))
    for name, setting, value in otlp.from_environment(environment, has_endpoint=has_endpoint):
        path = ("telemetry", "otlp", setting)
        if _put(tree, path, value, only_if_missing=True):
            origin[".".join(path)] = name


def _problem(item: Any, origin: Mapping[str, str]) -> Problem:
    dotted = ".".join(str(part) for part in item["loc"]) or "configuration"
    where = f"{dotted} (from {origin[dotted]})" if dotted in origin else dotted
    return Problem(where, message_of(item))
