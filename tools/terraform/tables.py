"""The tables in the README of each Terraform module: requirements, resources, inputs, outputs.

``python -m tools.terraform.tables`` writes them between the marks ``BEGIN_TF_DOCS`` and
``END_TF_DOCS``, as terraform-docs would.  With ``--check`` it writes nothing, and exits with 1 if a
table is out of date or a module has no README with the marks.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tools.terraform.module import TERRAFORM, Block, Expression, Module, module_folders, read

BEGIN: Final = "<!-- BEGIN_TF_DOCS -->"
END: Final = "<!-- END_TF_DOCS -->"
_REGISTRY: Final = "https://registry.terraform.io/providers/hashicorp/aws/latest/docs"
_KINDS: Final[Mapping[str, str]] = {"resource": "resources", "data": "data-sources"}


def tables(module: Module) -> str:
    """All tables of a module."""
    parts = (
        ("Requirements", ("Name", "Version"), _requirements(module)),
        ("Modules", ("Name", "Source"), _modules(module)),
        ("Resources", ("Name", "Type"), _resources(module)),
        (
            "Inputs",
            ("Name", "Description", "Type", "Default", "Required"),
            (_input(block) for block in _sorted(module.of_kind("variable"))),
        ),
        (
            "Outputs",
            ("Name", "Description"),
            (_output(block) for block in _sorted(module.of_kind("output"))),
        ),
    )
    return "\n".join(_table(title, columns, list(rows)) for title, columns, rows in parts)


def filled(page: str, module: Module) -> str:
    """A README with the tables of today between its marks.

    Raises:
        ValueError: the marks are missing, or not in this order.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        message = f"it needs the lines\n{BEGIN}\n{END}"
        raise ValueError(message)
    return f"{before}{BEGIN}\n\n{tables(module)}\n{END}{after}"


def main(arguments: Sequence[str], root: Path = TERRAFORM) -> int:
    """Write the tables of the modules below ``root``, or only compare them; the exit code."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write("usage: python -m tools.terraform.tables [--check]\n")
        return 2
    wrong = [_kept(folder, write=not arguments) for folder in module_folders(root)]
    return 1 if any(wrong) else 0


def _kept(folder: Path, *, write: bool) -> bool:
    """Whether something is wrong with the README of a module that could not be put right."""
    file = folder / "README.md"
    try:
        page = file.read_text(encoding="utf-8")
        right = filled(page, read(folder))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"tables: {file}: {error}\n")
        return True
    if page == right:
        return False
    if write:
        file.write_text(right, encoding="utf-8")
        sys.stderr.write(f"tables: wrote {file}\n")
        return False
    sys.stderr.write(f"tables: {file} is not up to date; run: make docs\n")
    return True


def _sorted(blocks: Iterable[Block]) -> list[Block]:
    return sorted(blocks, key=lambda block: block.labels)


def _requirements(module: Module) -> Iterator[Sequence[str]]:
    for name, version in sorted(module.requirements().items()):
        yield f"`{name}`", f"`{version}`"


def _modules(module: Module) -> Iterator[Sequence[str]]:
    for block in _sorted(module.of_kind("module")):
        yield f"`{block.labels[0]}`", f"`{block.body.arguments.get('source', '')}`"


def _resources(module: Module) -> Iterator[Sequence[str]]:
    for kind, folder in _KINDS.items():
        for block in _sorted(module.of_kind(kind)):
            what, name = block.labels
            page = f"{_REGISTRY}/{folder}/{what.removeprefix('aws_')}"
            yield f"[`{what}.{name}`]({page})", kind if kind == "resource" else "data source"


def _input(block: Block) -> Sequence[str]:
    given = block.body.arguments
    required = "default" not in given
    kind = given.get("type")
    return (
        f"`{block.labels[0]}`",
        _prose(given.get("description", "")),
        _code(kind.text if isinstance(kind, Expression) else str(kind)),
        "" if required else _code(_written(given["default"])),
        "yes" if required else "no",
    )


def _output(block: Block) -> Sequence[str]:
    given = block.body.arguments
    secret = " (sensitive)" if given.get("sensitive") is True else ""
    return f"`{block.labels[0]}`", _prose(given.get("description", "")) + secret


def _written(value: Any) -> str:
    """A value as Terraform writes it, on one line."""
    if isinstance(value, Expression):
        return value.text
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, Mapping):
        inside = ", ".join(f"{key} = {_written(each)}" for key, each in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    return json.dumps(value, ensure_ascii=False)


def _prose(text: Any) -> str:
    """A description in a cell of a table."""
    words = " ".join(str(text.text if isinstance(text, Expression) else text).split())
    return words.replace("|", "\\|").replace("<", "&lt;")


def _code(text: str) -> str:
    fence = "``" if "`" in text else "`"
    return f"{fence}{' '.join(text.split())}{fence}".replace("|", "\\|")


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return f"## {title}\n\nNone.\n"
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join([f"## {title}", "", *(f"| {' | '.join(line)} |" for line in lines), ""])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
