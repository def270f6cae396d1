"""Which files an MLflow opens to store an artifact: a program for any version's interpreter.

It reads one JSON text a line, the path as MLflow's web framework hands it on, stores a file there
as ``mlflow.server.handlers._upload_artifact`` does, and prints the files that it opened for writing
relative to the root of the store; null if MLflow refused.
"""

from __future__ import annotations

import json
import os
import posixpath
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from mlflow.utils import uri

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def main() -> None:
    """Answer every line of the input."""
    opened: list[str] = []

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str) and arguments[2] & _WRITING:
            opened.append(arguments[0])

    sys.addaudithook(note)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "above" / "store"
        for line in sys.stdin:
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir(parents=True)
            opened.clear()
            own = _store(json.loads(line), root)
            files = [
                os.path.relpath(each, root)
                for each in opened
                if not own or not each.startswith(own)
            ]
            sys.stdout.write(json.dumps(files if own else None) + "\n")
            sys.stdout.flush()


def _store(path: str, root: Path) -> str:
    """Store an artifact; the folder that the upload was kept in, or nothing if it was refused."""
    try:
        safe: Any = uri.validate_path_is_safe  # untyped
        head, tail = posixpath.split(safe(path))
        repository: Any = LocalArtifactRepository(str(root))
        with tempfile.TemporaryDirectory() as folder:
            kept = os.path.join(folder, tail)
            with open(kept, "wb"):
                pass
            repository.log_artifact(kept, artifact_path=head or None)
    except Exception:  # noqa: BLE001 - whatever MLflow raises, the client is refused
        return ""
    return folder + os.sep


if __name__ == "__main__":
    main()
