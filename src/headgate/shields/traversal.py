"""Paths that lead out of their folder, and ids that could be paths."""

from __future__ import annotations

import re
from typing import Final

from headgate.wire.escapes import trouble

# mlflow.utils.validation._RUN_ID_REGEX, which the ids of experiments and models fit too.
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9][\w\-]{0,255}", re.ASCII)


def is_unsafe_path(path: str) -> bool:
    """Whether a path leads out of its folder, as it is or after further decoding.

    Args:
        path: relative to that folder; empty for the folder itself.
    """
    return bool(trouble(path, relative=True))


def is_unsafe_file(path: str) -> bool:
    """Whether the last segment of a path on a client's machine is not a file name.

    MLflow gives an uploaded object the name ``os.path.basename(path)`` below the folder in the
    URL (``create_multipart_upload`` of mlflow/store/artifact/*_artifact_repo.py, 2.9.2 to 3.17.2).
    A client on Windows sends backslashes, which a server on POSIX treats as part of the name and
    some stores treat as slashes.
    """
    name = path.rpartition("/")[2]
    pieces = name.split("\\")
    return not pieces[-1] or "\0" in name or any(piece in (".", "..") for piece in pieces)


def is_unsafe_identifier(identifier: str) -> bool:
    """Whether an id has characters that could make it part of a path."""
    return bool(identifier) and _IDENTIFIER.fullmatch(identifier) is None
