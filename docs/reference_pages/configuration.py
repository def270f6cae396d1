"""The page of settings, from ``headgate.config.Config``."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ByteSize
from pydantic.fields import FieldInfo

from docs.reference_pages.markdown import GENERATED, table
from headgate.config import Config, Upstream
from headgate.config.load import ENVIRONMENT_PREFIX

_INTRODUCTION = """# Configuration

Headgate reads one TOML file, named by `--config` or `HEADGATE_CONFIG`, then the environment, then
its command line; the later one wins. None of them is needed: `MLFLOW_SERVER_URL`, which stands for
`upstreams.default.url`, is enough. `headgate check` lists every problem at once.

```toml
[listen]
host = "0.0.0.0"

[upstreams.default]
url = "http://mlflow.internal:5000"
```

A size is a number of bytes, or a number with a unit, such as `16MiB`. `NAME` is the name of an
upstream; in an environment variable it is lower-cased.
"""


class _Setting(NamedTuple):
    path: str
    field: FieldInfo


def page() -> str:
    """The whole page: a table for each section of the configuration."""
    parts = [GENERATED, _INTRODUCTION]
    parts += _section("Top level", Config, "")
    for name, field in Config.model_fields.items():
        if name == "upstreams":
            parts += _section("`[upstreams.NAME]`", Upstream, "upstreams.NAME.")
        elif (model := _section_model(field)) is not None:
            parts += _section(f"`[{name}]`", model, f"{name}.")
    return "".join(parts)


def _section(title: str, model: type[BaseModel], path: str) -> Iterator[str]:
    settings = [
        _Setting(path + name, field)
        for name, field in model.model_fields.items()
        if name != "upstreams" and _section_model(field) is None
    ]
    yield f"\n## {title}\n\n{model.__doc__}\n\n"
    header = ("Setting", "Environment", "Type", "Default", "Meaning")
    yield table(header, map(_row, settings))


def _row(setting: _Setting) -> tuple[str, ...]:
    kind = _type(setting)
    return (
        f"`{setting.path}`",
        _variable(setting),
        f"{kind}{_bounds(setting.field)}",
        _default(setting.field.get_default(call_default_factory=True)),
        setting.field.description or "",
    )


def _variable(setting: _Setting) -> str:
    if setting.field.annotation == tuple[str, ...]:
        return "in the file only"
    return f"`{ENVIRONMENT_PREFIX}{setting.path.upper().replace('.', '__')}`"


def _type(setting: _Setting) -> str:
    """The type in words.

    Raises:
        TypeError: for a type that has none yet; they are to be added here.
    """
    annotation: Any = setting.field.annotation
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return " or ".join(f"`{member.value}`" for member in annotation)
    words = _TYPES.get(annotation)
    if words is None:
        raise TypeError(f"{setting.path}: no words for the type {annotation}")
    return words


_TYPES: dict[Any, str] = {
    bool: "`true` or `false`",
    int: "whole number",
    float: "seconds",
    str: "text",
    ByteSize: "size",
    Path: "folder",
    tuple[str, ...]: "list of texts",
}


def _bounds(field: FieldInfo) -> str:
    def text(value: float) -> str:
        return _size(int(value)) if field.annotation is ByteSize else f"{value:g}"

    limits = {
        word: text(getattr(rule, name))
        for name, word in (("gt", "over"), ("ge", "at least"), ("lt", "under"), ("le", "at most"))
        for rule in field.metadata
        if getattr(rule, name, None) is not None
    }
    found = " and ".join(f"{word} {limit}" for word, limit in limits.items())
    return f", {found}" if found else ""


def _default(value: object) -> str:
    if isinstance(value, ByteSize):
        return f"`{_size(value)}`"
    if isinstance(value, tuple):
        return f"`[{', '.join(_toml(item) for item in value)}]`"
    return f"`{_toml(value)}`"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:g}"
    return f'"{value}"'


def _size(value: int) -> str:
    for unit in ("", "KiB", "MiB"):
        if value % 1024:
            return f"{value}{unit}"
        value //= 1024
    return f"{value}GiB"


def _section_model(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
