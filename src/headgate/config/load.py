"""Reads a TOML file and the environment into a ``Config``, or reports all problems."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from headgate.config import otlp
from headgate.config.messages import message_of
from headgate.config.schema import Config
from headgate.errors import ConfigError, Problem

ENVIRONMENT_PREFIX = "HEADGATE_"
# Read elsewhere: the path of the file, the key that `headgate verify` uses, and the service that
# `headgate ecs` works on.
NOT_SETTINGS = frozenset(
    {"HEADGATE_CONFIG", "HEADGATE_API_KEY", "HEADGATE_ECS_CLUSTER", "HEADGATE_ECS_SERVICE"}
)
_SHORTHAND = {"MLFLOW_SERVER_URL": ("upstreams", "default", "url")}
# What Kubernetes sets in each container beside a Service that is called headgate:
# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
_SERVICE_LINK = re.compile(r"HEADGATE_(?:SERVICE_HOST|SERVICE_PORT(?:_.+)?|PORT(?:_[0-9]+_.+)?)")


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
    tree = _read(file) if file is not None else {}
    origin: dict[str, str] = {}
    for name, value in sorted(environment.items(), key=lambda item: item[0] not in _SHORTHAND):
        path = _path_of(name)
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


def _read(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
        # More likely truncated or not mounted than intended: all defaults would apply.
        if not text.strip():
            problem = "is empty; add a setting or a comment, or do not name a file"
            raise ConfigError([Problem(str(file), problem)])
        return tomllib.loads(text)
    except OSError as error:
        raise ConfigError([Problem(str(file), error.strerror or "cannot be read")]) from None
    except UnicodeDecodeError:
        raise ConfigError([Problem(str(file), "is not TOML: it is not UTF-8 text")]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([Problem(str(file), f"is not TOML: {error}")]) from None


def _path_of(name: str) -> tuple[str, ...] | None:
    if name in _SHORTHAND:
        return _SHORTHAND[name]
    if not name.startswith(ENVIRONMENT_PREFIX) or name in NOT_SETTINGS:
        return None
    if _SERVICE_LINK.fullmatch(name):
        return None
    return tuple(name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__"))


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
