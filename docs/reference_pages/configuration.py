"""The page of settings, from ``headgate.config.Config``."""

from __future__ import annotations

import enum
import inspect
import types
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, ByteSize, SecretStr
from pydantic.fields import FieldInfo

from docs.reference_pages.markdown import GENERATED, table
from headgate.config import Config, Rule, SampleRule
from headgate.config.claims import ClaimPath
from headgate.config.issuers import Condition
from headgate.config.key_digests import BreakGlass
from headgate.config.networks import Network
from headgate.config.restart import needs_restart
from headgate.config.roles import GrantText
from headgate.config.shields import Location, PrivateTarget
from headgate.setting_sources import ENVIRONMENT_PREFIX

_INTRODUCTION = """# Configuration

Headgate reads settings from a TOML file (named by `--config` or `HEADGATE_CONFIG`), from
environment variables, and from command-line options. Environment variables override the file, and
options override both. All settings have defaults; usually you set at least `MLFLOW_SERVER_URL`, a
short name for `upstreams.default.url`. `headgate check` lists all problems of a configuration in
one run.

```toml
[listen]
host = "0.0.0.0"

[upstreams.default]
url = "http://mlflow.internal:5000"
```

A size is a number of bytes, or a number with a unit, such as `16MiB`. `NAME` stands for the name
of an upstream, of a role or of an issuer; in an environment variable it is converted to lower case.
A table in double brackets is an element of a list. The page on [roles](roles.md#grants) has the
syntax of grants.
"""


class _Section(NamedTuple):
    """A table of the TOML file: where it stands, its text, and its settings."""

    path: tuple[str, ...]
    model: type[BaseModel]
    restart: bool
    is_element: bool

    @property
    def text(self) -> str:
        """Title, meaning and settings, as Markdown."""
        title = f"`[{'.'.join(self.path)}]`" if self.path else "Top level"
        if self.is_element:
            title = f"`[[{'.'.join(self.path)}]]`"
        rows: Iterator[Sequence[str]] = self.rows()
        header = ["Setting", "Environment", "Type", "Default", "Meaning"]
        if self.is_element:  # an environment variable has the whole list
            del header[1]
            rows = ((first, *others) for first, _, *others in rows)
        return f"\n## {title}\n\n{inspect.getdoc(self.model)}\n\n{table(header, rows)}"

    def rows(self) -> Iterator[tuple[str, str, str, str, str]]:
        """Setting, variable, type, default and meaning of each."""
        for name, field in self.model.model_fields.items():
            if _model_of(field) is None or _is_list(field):
                restart = needs_restart(field, inherited=self.restart)
                yield _row((*self.path, name), field, restart)


def page() -> str:
    """The whole page: a table for each section of the configuration."""
    return (
        GENERATED
        + _INTRODUCTION
        + "".join(section.text for section in _sections((), Config, restart=False))
    )


def variables() -> Iterator[tuple[str, str, str, str]]:
    """Variable, setting, type and default of each setting that has a variable of its own."""
    for section in _sections((), Config, restart=False):
        for setting, variable, kind, default, _ in () if section.is_element else section.rows():
            yield variable, setting, kind, default


def _sections(
    path: tuple[str, ...], model: type[BaseModel], *, restart: bool, is_element: bool = False
) -> Iterator[_Section]:
    """The section of ``model`` and those within it."""
    yield _Section(path, model, restart, is_element)
    for name, field in model.model_fields.items():
        inner = _model_of(field)
        if inner is not None:
            named = ("NAME",) if get_origin(field.annotation) is dict else ()
            stays = needs_restart(field, inherited=restart)
            yield from _sections(
                (*path, name, *named), inner, restart=stays, is_element=_is_list(field)
            )


def _model_of(field: FieldInfo) -> type[BaseModel] | None:
    """The section that a field holds, by itself, perhaps, or by name; else ``None``."""
    for kind in (field.annotation, *get_args(field.annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def _is_list(field: FieldInfo) -> bool:
    return get_origin(field.annotation) is tuple


def _row(path: tuple[str, ...], field: FieldInfo, restart: bool) -> tuple[str, str, str, str, str]:
    setting = ".".join(path)
    variable = f"`{ENVIRONMENT_PREFIX}{'__'.join(path).upper()}`"
    if _is_list(field):
        variable += ", JSON" if _model_of(field) else ", comma-separated"
    return (
        f"`{setting}`",
        variable,
        _type(setting, field.annotation) + _bounds(field),
        "required" if field.is_required() else _default(field.get_default()),
        f"{field.description or ''}{' Needs a restart.' if restart else ''}",
    )


def _type(setting: str, annotation: Any) -> str:
    """The text for a type.

    Raises:
        TypeError: the type has no text yet; add one to ``_TYPES``.
    """
    if annotation is float and setting.endswith(("share", "weight", "rate", "ratio", "per_second")):
        return "number"
    if annotation in _TYPES:
        return _TYPES[annotation]
    if get_origin(annotation) is Annotated:
        return _type(setting, get_args(annotation)[0])
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return " or ".join(f"`{member.value}`" for member in annotation)
    arguments = [kind for kind in get_args(annotation) if kind not in (types.NoneType, ...)]
    if len(arguments) == 1 and get_origin(annotation) in (Union, types.UnionType):
        return _type(setting, arguments[0])
    if len(arguments) == 1 and get_origin(annotation) is tuple:
        return f"list: {_type(setting, arguments[0])}"
    raise TypeError(f"{setting}: no text for the type {annotation}")


_TYPES: dict[Any, str] = {
    dict[ClaimPath, Condition]: "table",
    dict[str, str]: "table of texts",
    Rule: "table",
    SampleRule: "table",
    BreakGlass: "table",
    datetime: "time with its zone",
    bool: "`true` or `false`",
    int: "whole number",
    float: "seconds",
    str: "text",
    SecretStr: "text, a secret",
    ByteSize: "size",
    GrantText: "grant",
    Location: "prefix of locations",
    PrivateTarget: "host or network",
    Path: "path",
    Network: "network, such as `10.0.0.0/8`",
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
    if value is None:
        return "none"
    if isinstance(value, ByteSize):
        return f"`{_size(value)}`"
    if isinstance(value, tuple):
        return f"`[{', '.join(_toml(item) for item in value)}]`"
    return f"`{_toml(value)}`"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, int):
        return str(value)
    return f'"{value}"'


def _size(value: int) -> str:
    for unit in ("", "KiB", "MiB"):
        if value % 1024 or not value:
            return f"{value}{unit}"
        value //= 1024
    return f"{value}GiB"
