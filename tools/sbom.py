"""Writes a software bill of materials: CycloneDX 1.6, as JSON.

    python tools/sbom.py wheel VERSION COMMIT FILE [MYPY]     what is in a wheel
    python tools/sbom.py image VERSION COMMIT FILE LOCK BASE  what the image is made of

It needs nothing but the standard library, since ``hatch_build.py`` runs it wherever a wheel is
built.  The same arguments give the same bytes: the time is ``SOURCE_DATE_EPOCH``.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

_PINNED: Final = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)")
_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_PYPI: Final = "pkg:pypi/"


def of_wheel(version: str, commit: str, mypy: str = "", seconds: int = 0) -> dict[str, Any]:
    """What is in a wheel: Headgate itself and, in a compiled one, the runtime of mypyc.

    What the wheel depends on is not in it: its metadata names that, and the locks pin it.
    """
    found = []
    if mypy:
        found.append(
            _component("mypy", mypy)
            | {"description": "The runtime library of mypyc, compiled into each shared library"}
        )
    return _document(version, commit, found, seconds)


def of_image(version: str, commit: str, lock: str, base: str, seconds: int = 0) -> dict[str, Any]:
    """What the image is made of: the packages of a lock, and the base image.

    Args:
        version: Headgate's.
        commit: what it is built from; may be empty.
        lock: the text of a requirements file with hashes.
        base: the base image with its digest.
        seconds: the time of the build, since 1970.

    Raises:
        ValueError: the base image has no digest.
    """
    name, at, digest = base.partition("@sha256:")
    if not at or not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise ValueError(f"{base} has no digest")
    image = {
        "type": "container",
        "bom-ref": base,
        "name": name,
        "hashes": [{"alg": "SHA-256", "content": digest}],
        "description": "The base image; what it brings along is in its own bill of materials",
    }
    return _document(version, commit, [image, *locked(lock)], seconds)


def locked(lock: str) -> list[dict[str, Any]]:
    """The packages that a lock pins, with the hashes of their files."""
    found = []
    for block in re.split(r"\n(?=[A-Za-z0-9])", lock):
        pinned = _PINNED.match(block)
        if pinned is None:
            continue
        files = [
            {
                "type": "distribution",
                "url": f"{_PYPI}{pinned[1]}",
                "hashes": [{"alg": "SHA-256", "content": each}],
            }
            for each in sorted(_HASH.findall(block))
        ]
        component = _component(pinned[1], pinned[2])
        marker = re.search(r";\s*(.+?)\s*\\?$", block.partition("\n")[0])
        if marker is not None:  # only on some platforms or versions of Python
            component["scope"] = "optional"
        found.append(component | {"externalReferences": files})
    return found


def _component(name: str, version: str) -> dict[str, Any]:
    url = f"{_PYPI}{name.lower()}@{version}"
    return {"type": "library", "bom-ref": url, "name": name, "version": version, "purl": url}


def _document(
    version: str, commit: str, components: list[dict[str, Any]], seconds: int
) -> dict[str, Any]:
    subject: dict[str, Any] = {
        **_component("headgate", version),
        "type": "application",
        "licenses": [{"license": {"id": "Apache-2.0"}}],
    }
    if commit:
        subject["properties"] = [{"name": "headgate:commit", "value": commit}]
    document: dict[str, Any] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(),
            "component": subject,
        },
        "components": components,
        "dependencies": [
            {"ref": subject["bom-ref"], "dependsOn": [each["bom-ref"] for each in components]}
        ],
    }
    number = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(document, sort_keys=True))
    return document | {"serialNumber": f"urn:uuid:{number}"}


def main(arguments: Sequence[str]) -> str | int:
    """Write one; the exit status, or what is wrong with the arguments."""
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH") or 0)
    match list(arguments):
        case ["wheel", version, commit, file, *mypy] if len(mypy) <= 1:
            document = of_wheel(version, commit, "".join(mypy), seconds)
        case ["image", version, commit, file, lock, base]:
            document = of_image(
                version, commit, Path(lock).read_text(encoding="utf-8"), base, seconds
            )
        case _:
            return __doc__ or ""
    Path(file).write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
