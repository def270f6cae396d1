"""Checks the conventions of the Terraform modules that ``terraform validate`` has no word for.

``python -m tools.terraform.conventions`` prints one line for each breach and exits with 1 if there
is any.  It needs neither Terraform nor a provider: ``deploy/terraform/README.md`` has the rules.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tools.terraform.module import TERRAFORM, Block, Expression, Module, module_folders, read

FILES: Final = ("main.tf", "outputs.tf", "variables.tf", "versions.tf")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_OPEN_TYPE: Final = re.compile(r"\bany\b")
_CONSTRAINED: Final = re.compile(
    r"(_arn|_arns|_seconds|_minutes|_days|_percent|_port|_cidrs?|_count|cpu|memory|_url)$"
)
"""Names of inputs that say of which form a value has to be: these have a ``validation``."""
_RULES: Final = frozenset(
    {
        "aws_security_group",
        "aws_vpc_security_group_ingress_rule",
        "aws_vpc_security_group_egress_rule",
    }
)
_INLINE_RULES: Final = frozenset({"ingress", "egress"})


def breaches(module: Module, *, example: bool = False, inner: bool = False) -> Iterator[str]:
    """One line for each breach of a module's, or of an example's, which is a root module.

    An inner module is one that others call: their tests are its tests.
    """
    where = module.folder
    for name in FILES:
        if not (where / name).exists():
            yield f"{where}: has no {name}"
    if not (where / "README.md").exists():
        yield f"{where}: has no README.md"
    if not (example or inner) and not list((where / "tests").glob("*.tftest.hcl")):
        yield f"{where}: has no tests/*.tftest.hcl"
    for block in module.blocks:
        for problem in _of_block(block, example=example):
            yield f"{block.file}: {' '.join((block.kind, *block.labels))}: {problem}"
    yield from _of_versions(module)


def main(root: Path = TERRAFORM) -> int:
    """Print all breaches below ``root``; the exit code."""
    found: list[str] = []
    modules: list[Module] = []
    for folder in module_folders(root):
        try:
            modules.append(read(folder))
        except ValueError as error:
            found.append(str(error))
    inner = {called for each in modules if not _is_example(each) for called in _called(each)}
    for each in modules:
        found += breaches(each, example=_is_example(each), inner=each.folder in inner)
    for line in found:
        sys.stderr.write(f"conventions: {line}\n")
    return 1 if found else 0


def _is_example(module: Module) -> bool:
    return "examples" in module.folder.parts


def _called(module: Module) -> Iterator[Path]:
    for block in module.of_kind("module"):
        yield (module.folder / block.body.arguments["source"]).resolve()


def _of_block(block: Block, *, example: bool) -> Iterator[str]:
    if not all(_NAME.fullmatch(label) for label in block.labels):
        yield "names have small letters, digits and underscores"
    if block.kind == "provider" and not example:
        yield "a module takes its provider from who calls it"
    elif block.kind == "variable":
        yield from _of_variable(block)
    elif block.kind == "output" and not _said(block, "description"):
        yield "has no description"
    elif block.kind == "resource":
        yield from _of_resource(block)


def _of_variable(block: Block) -> Iterator[str]:
    (name,) = block.labels
    given = block.body.arguments
    kind = given.get("type")
    if not _said(block, "description"):
        yield "has no description"
    if not isinstance(kind, Expression):
        yield "has no type"
    elif _OPEN_TYPE.search(kind.text):
        yield 'its type says "any"'
    if not isinstance(given.get("nullable"), bool):
        yield "does not say whether it is nullable"
    elif given["nullable"] and given.get("default", 0) is not None:
        yield "is nullable, but null is not its default"
    checks = block.body.of_type("validation")
    if _CONSTRAINED.search(name) and not checks:
        yield "has a name that says of which form its values are, but no validation"
    for check in checks:
        yield from _of_validation(check.arguments.get("error_message"))


def _of_validation(message: Any) -> Iterator[str]:
    text = message.text.strip('"') if isinstance(message, Expression) else message
    if not isinstance(text, str) or not text.rstrip().endswith("."):
        yield "the message of a validation is a sentence, with a full stop"


def _of_resource(block: Block) -> Iterator[str]:
    what, _ = block.labels
    if what in _RULES and not _said(block, "description"):
        yield "has no description"
    if what == "aws_security_group" and any(kind in _INLINE_RULES for kind, _ in block.body.blocks):
        yield "rules of a security group are resources of their own"
    if what == "aws_security_group_rule":
        yield "write aws_vpc_security_group_ingress_rule or …_egress_rule"


def _of_versions(module: Module) -> Iterator[str]:
    found = module.requirements()
    for name in {"terraform", "aws"} - found.keys():
        yield f"{module.folder}: does not say which version of {name} it needs"
    for name, version in found.items():
        if not version.startswith(">="):
            yield f'{module.folder}: the version of {name} is to start with ">=", not "{version}"'


def _said(block: Block, argument: str) -> bool:
    return bool(block.body.arguments.get(argument))


if __name__ == "__main__":
    sys.exit(main())
