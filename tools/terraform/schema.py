"""Compares the Terraform modules with the schema of a newer AWS provider than Terraform had here.

The schema is that of the bindings for CDK for Terraform, which their package made from the
provider.  ``provider-schema.json`` has the resources that the modules use: names of arguments and
blocks, which are required, which blocks may be repeated, and names of attributes.  Nothing is known
of values, conflicts between arguments and expressions.

``python -m tools.terraform.schema`` compares and exits with 1 if something differs;
``python -m tools.terraform.schema extract WHEEL`` writes ``provider-schema.json`` anew.
"""

from __future__ import annotations

import io
import json
import re
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tools.terraform.module import TERRAFORM, Body, Module, module_folders, read

EXTRACT: Final = Path(__file__).with_name("provider-schema.json")
_LINK: Final = re.compile(
    r"aws/(?P<version>[\d.]+)/docs/(?P<kind>resources|data-sources)/(?P<page>\w+)#(?P<name>\w+)"
)
_KINDS: Final[Mapping[str, str]] = {"resources": "resource", "data-sources": "data"}
_OWN: Final = "@cdktf/provider-aws."
_META: Final = frozenset({"count", "for_each", "provider", "depends_on"})
_META_BLOCKS: Final = frozenset({"lifecycle", "provisioner", "connection"})
_REFERENCE: Final = re.compile(
    r"(?<![\w.])(?P<data>data\.)?(?P<what>aws_\w+)\.(?P<name>\w+)(?:\[[^\]]*\])?\.(?P<attribute>\w+)"
)
_COMMENT: Final = re.compile(r"(?m)^\s*(?:#|//).*$")
_CAPITAL: Final = re.compile(r"(?<!^)(?=[A-Z])")

Schema = Mapping[str, Any]
"""``provider``, ``source``, and for ``resource`` and ``data`` what each type has."""


def used(modules: Sequence[Module]) -> set[tuple[str, str]]:
    """Kind and type of all resources and data sources of the modules."""
    kinds = _KINDS.values()
    return {
        (kind, block.labels[0])
        for each in modules
        for kind in kinds
        for block in each.of_kind(kind)
    }


def assembly(wheel: Path) -> Mapping[str, Any]:
    """The description of all types inside the wheel of the bindings."""
    with zipfile.ZipFile(wheel) as packed:
        (name,) = (each for each in packed.namelist() if each.endswith(".jsii.tgz"))
        inner = io.BytesIO(packed.read(name))
    with tarfile.open(fileobj=inner) as files:
        found = files.extractfile("package/.jsii")
        content: Mapping[str, Any] = json.load(found) if found else {}
    return content


def extract(described: Mapping[str, Any], wanted: set[tuple[str, str]]) -> Schema:
    """The schema of the wanted resources.

    Raises:
        ValueError: the provider of the bindings has no such resource.
    """
    types = described["types"]
    result: dict[str, Any] = {
        "source": f"cdktf-cdktf-provider-aws {described['version']}",
        "provider": "",
        "resource": {},
        "data": {},
    }
    for name, config in sorted(types.items()):
        made = types.get(name.removesuffix("Config"), {})
        found = _page(config) if made.get("kind") == "class" and made is not config else None
        if found is None:
            continue
        version, kind, what = found
        if (kind, what) in wanted:
            result["provider"] = version
            fields = _fields(types, config)
            names = made.get("properties", ())
            attributes = {_snake(each["name"]) for each in names if not each.get("static")}
            own = sorted(each for each in attributes - fields.keys() if not _is_plumbing(each))
            result[kind][what] = {"fields": fields, "attributes": own}
    missing = sorted(
        wanted - {(kind, what) for kind in ("resource", "data") for what in result[kind]}
    )
    if missing:
        message = f"the provider has no {', '.join(f'{kind} {what}' for kind, what in missing)}"
        raise ValueError(message)
    return result


def problems(module: Module, schema: Schema) -> Iterator[str]:
    """One line for each thing in a module that the schema does not have, or asks for."""
    for kind in _KINDS.values():
        for block in module.of_kind(kind):
            known = schema[kind].get(block.labels[0])
            name = f"{block.file}: {kind} {'.'.join(block.labels)}"
            if known is None:
                yield f"{name}: not in {EXTRACT.name}; run: make terraform-schema"
            else:
                yield from _of_body(name, block.body, known["fields"], top=True)
    yield from _of_references(module, schema)


def main(arguments: Sequence[str], root: Path = TERRAFORM, kept: Path = EXTRACT) -> int:
    """Compare the modules below ``root``, or write the extract; the exit code."""
    modules = [read(folder) for folder in module_folders(root)]
    match arguments:
        case ["extract", wheel]:
            made = extract(assembly(Path(wheel)), used(modules))
            kept.write_text(json.dumps(made, indent=1, sort_keys=True) + "\n", encoding="utf-8")
            sys.stderr.write(f"schema: wrote {kept}, of provider {made['provider']}\n")
            return 0
        case []:
            schema = json.loads(kept.read_text(encoding="utf-8"))
            found = [line for module in modules for line in problems(module, schema)]
            for line in found:
                sys.stderr.write(f"schema of provider {schema['provider']}: {line}\n")
            return 1 if found else 0
        case _:
            sys.stderr.write("usage: python -m tools.terraform.schema [extract WHEEL]\n")
            return 2


def _page(config: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Version of the provider, kind and type of the resource that a type configures."""
    for each in config.get("properties", ()):
        link = _LINK.search(_words(each))
        if link:
            return link["version"], _KINDS[link["kind"]], f"aws_{link['page']}"
    return None


def _fields(types: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as ``required`` or ``optional``, blocks as objects."""
    fields: dict[str, Any] = {}
    for each in config.get("properties", ()):
        link = _LINK.search(_words(each))
        name = link["name"] if link else _snake(each["name"])
        inner = re.search(rf'"({re.escape(_OWN)}[\w.]+)"', json.dumps(each["type"]))
        need = "optional" if each.get("optional") else "required"
        if inner is None:
            fields[name] = need
        else:
            several = "array" in json.dumps(each["type"])
            inside = _fields(types, types[inner[1]])
            fields[name] = {"need": need, "several": several, "fields": inside}
    return fields


def _words(described: Mapping[str, Any]) -> str:
    words = described.get("docs", {})
    return f"{words.get('summary', '')} {words.get('remarks', '')}"


def _snake(name: str) -> str:
    return _CAPITAL.sub("_", name).lower()


def _is_plumbing(attribute: str) -> bool:
    """Properties of the bindings that the provider has not got."""
    return attribute.endswith("_input")


def _of_body(name: str, body: Body, fields: Mapping[str, Any], *, top: bool) -> Iterator[str]:
    arguments = {each for each in body.arguments if not (top and each in _META)}
    blocks = [(kind, each) for kind, each in body.blocks if not (top and kind in _META_BLOCKS)]
    for argument in sorted(arguments):
        if argument not in fields:
            yield f"{name}: has no argument {argument}"
        elif not isinstance(fields[argument], str) and argument != "timeouts":
            yield f"{name}: {argument} is a block, not an argument"
    for kind, inside in blocks:
        field = fields.get(kind)
        if not isinstance(field, Mapping):
            yield f"{name}: has no block {kind}"
        else:
            yield from _of_body(f"{name}: {kind}", inside, field["fields"], top=False)
    given = arguments | {kind for kind, _ in blocks}
    for field_name, field in fields.items():
        need = field if isinstance(field, str) else field["need"]
        if need == "required" and field_name not in given:
            yield f"{name}: needs {field_name}"
        if not isinstance(field, str) and not field["several"]:
            count = sum(kind == field_name for kind, _ in body.blocks)
            if count > 1:
                yield f"{name}: has {count} blocks {field_name}, one is possible"


def _of_references(module: Module, schema: Schema) -> Iterator[str]:
    """Attributes of resources that expressions of the module name, and the provider has not got."""
    for file in sorted(module.folder.glob("*.tf")):
        text = _COMMENT.sub("", file.read_text(encoding="utf-8"))
        for found in _REFERENCE.finditer(text):
            known = schema["data" if found["data"] else "resource"].get(found["what"])
            if known is None:
                continue
            if found["attribute"] not in {*known["fields"], *known["attributes"]}:
                yield f"{file}: {found[0]}: {found['what']} has no attribute {found['attribute']}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
