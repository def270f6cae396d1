"""Looks at what was built before it is released: metadata, contents, and bills of materials."""

from __future__ import annotations

import email.parser
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Final

import packaging.metadata
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

SBOM: Final = "sboms/headgate.cdx.json"


def problems(file: Path, version: str, commit: str) -> list[str]:
    """What is wrong with a wheel or a source archive; empty: nothing."""
    if file.suffix == ".whl":
        return _of_wheel(file, version, commit)
    with tarfile.open(file) as archive:
        base = f"headgate-{version}"
        info = archive.extractfile(f"{base}/PKG-INFO")
        names = set(archive.getnames())
        found = _of_metadata(info.read() if info else b"", version)
    wanted = ("Dockerfile", "LICENSE", "src/headgate/commit.txt", "tools/sbom.py")
    return found + [f"has no {each}" for each in wanted if f"{base}/{each}" not in names]


def _of_wheel(file: Path, version: str, commit: str) -> list[str]:
    info = f"headgate-{version}.dist-info"
    with zipfile.ZipFile(file) as archive:
        names = set(archive.namelist())
        wanted = (f"{info}/METADATA", f"{info}/{SBOM}", "headgate/commit.txt")
        missing = [f"has no {each}" for each in wanted if each not in names]
        if missing:
            return missing
        found = _of_metadata(archive.read(f"{info}/METADATA"), version)
        found += of_sbom(archive.read(f"{info}/{SBOM}").decode())
        if archive.read("headgate/commit.txt").decode().strip() != commit:
            found.append(f"is not of {commit}")
    if not any("/licenses/" in name for name in names):
        found.append("has no licence")
    return found


def _of_metadata(text: bytes, version: str) -> list[str]:
    """What PyPI would refuse."""
    try:
        parsed = packaging.metadata.Metadata.from_email(text, validate=True)
    except ExceptionGroup as errors:
        return [f"metadata: {each}" for each in errors.exceptions]
    found = [] if str(parsed.version) == version else [f"metadata: version {parsed.version}"]
    message = email.parser.BytesParser().parsebytes(text)
    if message.get("Description-Content-Type") != "text/markdown" or not message.get_payload():
        found.append("metadata: no description in Markdown")
    return found


def of_sbom(text: str) -> list[str]:
    """What CycloneDX 1.6's schema, read strictly, says against a bill of materials."""
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if error is not None:
        return [f"bill of materials: {str(error).splitlines()[0]}"]
    references = {each["bom-ref"] for each in json.loads(text)["components"]}
    (edges,) = json.loads(text)["dependencies"]
    return [] if references == set(edges["dependsOn"]) else ["bill of materials: loose components"]
