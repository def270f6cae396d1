"""What a release says about itself beside its files: provenance and check sums.

The statement has in-toto's form with SLSA's predicate ``provenance/v1``.  Nobody has signed it: it
says what was built of what, and proves nothing about who built it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

STATEMENT: Final = "https://in-toto.io/Statement/v1"
PREDICATE: Final = "https://slsa.dev/provenance/v1"
LOCKS: Final = ("requirements/serve.lock", "requirements/build.lock", "requirements/dev.lock")
SUMS: Final = "SHA256SUMS"


def statement(
    files: Sequence[Path], root: Path, commit: str, epoch: int, python: str, images: Sequence[str]
) -> dict[str, Any]:
    """The statement about files that were built in ``root`` of a commit.

    Args:
        files: what was built.
        root: the work tree, with the locks.
        commit: of Git.
        epoch: ``SOURCE_DATE_EPOCH`` of the build.
        python: version and platform of the Python that built.
        images: base images with their digests; may be empty.
    """
    materials = [
        {"uri": f"git+file://headgate@{commit}", "digest": {"gitCommit": commit}},
        *(
            {"uri": f"file:{lock}", "digest": {"sha256": sha256(root / lock)}}
            for lock in LOCKS
            if (root / lock).exists()
        ),
    ]
    for image in images:
        name, _, digest = image.partition("@sha256:")
        materials.append({"uri": f"docker://{name}", "digest": {"sha256": digest}})
    return {
        "_type": STATEMENT,
        "subject": [{"name": each.name, "digest": {"sha256": sha256(each)}} for each in files],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": "urn:headgate:make-release:v1",
                "externalParameters": {"commit": commit},
                "internalParameters": {"SOURCE_DATE_EPOCH": epoch, "python": python},
                "resolvedDependencies": materials,
            },
            "runDetails": {
                "builder": {"id": "urn:headgate:unsigned-local-build"},
                "metadata": {"invocationId": f"urn:git:{commit}"},
            },
        },
    }


def write(folder: Path, name: str, document: dict[str, Any]) -> Path:
    """Write a document, always in the same form."""
    file = folder / name
    file.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return file


def write_sums(folder: Path, files: Sequence[Path]) -> Path:
    """Write ``SHA256SUMS``, which ``sha256sum --check`` reads."""
    lines = sorted((each.name, sha256(each)) for each in files)
    sums = folder / SUMS
    sums.write_text("".join(f"{sha}  {name}\n" for name, sha in lines), encoding="ascii")
    return sums


def sha256(file: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
