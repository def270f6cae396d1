"""The values that a path gives to the parameters of its pattern."""

from __future__ import annotations

from urllib.parse import unquote

from headgate.model import Operation

_PLACE_SEGMENTS = 2  # api/2.0


def path_parameters(operation: Operation, path: bytes) -> dict[str, str]:
    """The parameters of the canonical ``path``, decoded, by their names.

    A ``{name:path}`` is only read at the end: where MLflow has one elsewhere, which is in the
    names of MCP servers, no parameter after it names an object that a key can be narrowed to.
    """
    values = path.decode("ascii").split("/")[1:]
    if operation.mounts:
        values = values[_PLACE_SEGMENTS:]
    pattern = operation.path.removeprefix("/").split("/")
    found = {}
    for at, (segment, value) in enumerate(zip(pattern, values, strict=False)):
        name = segment.strip("{}")
        if segment.endswith(":path}"):
            if at == len(pattern) - 1:
                found[name.removesuffix(":path")] = unquote("/".join(values[at:]))
            break
        if segment == f"{{{name}}}":
            found[name] = unquote(value)
    return found
