"""What a Terraform module declares, read from its files by ``python-hcl2``.

The package's own form is kept inside this file: strings that carry their quotes, expressions as
``${…}``, and blocks with a mark.  `Body` gives bodies without these.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import hcl2
from lark.exceptions import LarkError

ROOT: Final = Path(__file__).parents[2]
TERRAFORM: Final = ROOT / "deploy" / "terraform"
_MARK: Final = "__is_block__"
_OPTIONS: Final = hcl2.SerializationOptions(with_comments=False, preserve_heredocs=False)
_ESCAPED: Final = re.compile(r"([$%])\1\{")


@dataclass(frozen=True, slots=True)
class Expression:
    """An argument's value that only Terraform can work out, as it is written."""

    text: str


@dataclass(frozen=True, slots=True)
class Body:
    """The inside of a block."""

    arguments: Mapping[str, Any]
    """Plain values, lists and objects; an `Expression` for everything else."""
    blocks: Sequence[tuple[str, Body]]
    """Type and inside of nested blocks; ``dynamic`` ones by the type that they make."""

    def of_type(self, name: str) -> list[Body]:
        """The nested blocks of a type."""
        return [inside for kind, inside in self.blocks if kind == name]


@dataclass(frozen=True, slots=True)
class Block:
    """A block at the top of a file, such as ``resource "aws_ecs_service" "this"``."""

    kind: str
    labels: tuple[str, ...]
    body: Body
    file: Path


@dataclass(frozen=True, slots=True)
class Module:
    """All files of a folder."""

    folder: Path
    blocks: Sequence[Block]

    def of_kind(self, kind: str) -> list[Block]:
        """The blocks of a kind, such as ``variable``, in the order of their files."""
        return [block for block in self.blocks if block.kind == kind]

    def requirements(self) -> dict[str, str]:
        """Versions of Terraform and the providers, as constraints."""
        found: dict[str, str] = {}
        for block in self.of_kind("terraform"):
            version = block.body.arguments.get("required_version")
            found |= {"terraform": version} if version else {}
            for providers in block.body.of_type("required_providers"):
                for name, provider in providers.arguments.items():
                    found[name] = provider.get("version", "")
        return found


def module_folders(root: Path = TERRAFORM) -> list[Path]:
    """Folders that have Terraform files: modules first, then examples."""
    found = {file.parent for file in root.rglob("*.tf") if ".terraform" not in file.parts}
    return sorted(found, key=lambda folder: ("examples" in folder.parts, folder))


def read(folder: Path) -> Module:
    """The module in ``folder``.

    Raises:
        ValueError: a file cannot be parsed; the message names it and says where.
    """
    blocks = [block for file in sorted(folder.glob("*.tf")) for block in read_file(file)]
    return Module(folder, blocks)


def read_file(file: Path) -> list[Block]:
    """The blocks at the top of a file, which may be a test of Terraform's, too.

    Raises:
        ValueError: as `read`.
    """
    try:
        content = hcl2.loads(file.read_text(encoding="utf-8"), serialization_options=_OPTIONS)
    except LarkError as error:
        message = f"{file}: {str(error).splitlines()[0]}"
        raise ValueError(message) from error
    return [
        Block(kind, labels, body, file)
        for kind, found in content.items()
        if isinstance(found, list)
        for each in found
        for labels, body in _labelled(each)
    ]


def _labelled(block: Mapping[str, Any], labels: tuple[str, ...] = ()) -> Iterator[Any]:
    """The labels and the insides of a block, of which each label is one more level."""
    if _MARK in block:
        yield labels, _body(block)
        return
    for label, inside in block.items():
        yield from _labelled(inside, (*labels, _text(label)))


def _body(block: Mapping[str, Any]) -> Body:
    arguments: dict[str, Any] = {}
    blocks: list[tuple[str, Body]] = []
    for name, value in block.items():
        if name == _MARK:
            continue
        if not _is_block(value):
            arguments[name] = _value(value)
            continue
        for each in value:
            for labels, body in _labelled(each):
                if name == "dynamic":
                    blocks += [(labels[0], content) for content in body.of_type("content")]
                else:
                    blocks.append((name, body))
    return Body(arguments, blocks)


def _is_block(value: Any) -> bool:
    if not isinstance(value, list) or not value or not isinstance(value[0], dict):
        return False
    inside = value[0]
    while isinstance(inside, dict) and _MARK not in inside:
        if len(inside) != 1:
            return False
        (inside,) = inside.values()
    return isinstance(inside, dict)


def _value(value: Any) -> Any:
    if isinstance(value, list):
        return [_value(each) for each in value]
    if isinstance(value, dict):
        return {_text(key): _value(each) for key, each in value.items()}
    if not isinstance(value, str):
        return value
    if value.startswith("${"):
        return Expression(value[2:-1])
    return _text(value) if value.startswith('"') else Expression(value)


def _text(written: str) -> Any:
    """A string without quotes; an `Expression` if Terraform would put something into it."""
    if not written.startswith('"'):
        return written
    plain = _ESCAPED.sub("", written)
    if "${" in plain or "%{" in plain:
        return Expression(written)
    return _ESCAPED.sub(r"\1{", json.loads(written, strict=False))
