"""Uploads and downloads of artifacts, including awkward ones."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import mlflow

from headgate_verify.steps import removal
from headgate_verify.subject import MismatchError, Subject, expect, patience_for_large_requests

_FOLDER = "files"
_TEXT = "Ein Text mit Umläuten: äöü, 数据, ✓\n" * 20
_AWKWARD_NAME = "two words, naïve 数据 + 100%.bin"
_BLOCK = 1024 * 1024


def text(subject: Subject) -> str:
    """Log a text and read it back.

    The run's artifact location is checked first: with a path, the client would write to this
    machine's own disk, and everything would seem to work.
    """
    uri = subject.client.get_run(subject.run_id).info.artifact_uri
    if urlsplit(uri).scheme in ("", "file"):
        raise MismatchError(f"the client would write artifacts to its own disk, at {uri}")
    subject.made[removal.RUN_FILES] = uri
    path = f"{_FOLDER}/text.txt"
    subject.client.log_text(subject.run_id, _TEXT, path)
    with _downloaded(subject, path) as file:
        expect("text", file.read_text(encoding="utf-8"), _TEXT)
    return _arrived(subject, path, len(_TEXT.encode()))


def empty_file(subject: Subject) -> str:
    """An empty file: the client sends it chunked, without Content-Length."""
    return _round_trip(subject, "empty.bin", b"")


def awkward_name(subject: Subject) -> str:
    """Spaces, a per cent sign and characters beyond ASCII in the name."""
    return _round_trip(subject, _AWKWARD_NAME, b"the content of a file with an awkward name")


def large_file(subject: Subject) -> str:
    """Incompressible bytes, streamed from disk to disk; the digests must agree."""
    source = subject.folder / "large.bin"
    digest = _write_noise(source, subject.size)
    path = f"{_FOLDER}/{source.name}"
    with patience_for_large_requests():
        began = time.monotonic()
        subject.client.log_artifact(subject.run_id, str(source), _FOLDER)
        sent = time.monotonic()
        source.unlink()  # never two copies on this disk
        with _downloaded(subject, path) as file:
            received = time.monotonic()
            expect("size in bytes", file.stat().st_size, subject.size)
            expect("SHA-256", _sha256(file), digest)
    subject.artifacts[path] = subject.size
    up, down = _rate(subject.size, sent - began), _rate(subject.size, received - sent)
    return f"{_size(subject.size)}, up {up}, down {down}, SHA-256 {digest[:12]}…"


def listing(subject: Subject) -> str:
    """All artifacts are listed, with their sizes."""
    files = subject.client.list_artifacts(subject.run_id, _FOLDER)
    # MLflow omits the size of an empty file: protobuf's JSON omits zeros.
    sizes = {file.path: file.file_size or 0 for file in files}
    expect("listing", sizes, subject.artifacts)
    folders = [file.path for file in subject.client.list_artifacts(subject.run_id) if file.is_dir]
    expect("folders", folders, [_FOLDER])
    return f"{len(files)} files"


def _round_trip(subject: Subject, name: str, content: bytes) -> str:
    source = subject.folder / name
    source.write_bytes(content)
    path = f"{_FOLDER}/{name}"
    subject.client.log_artifact(subject.run_id, str(source), _FOLDER)
    with _downloaded(subject, path) as file:
        expect("name", file.name, name)
        expect("content", file.read_bytes(), content)
    return _arrived(subject, path, len(content))


@contextmanager
def _downloaded(subject: Subject, path: str) -> Iterator[Path]:
    """Download an artifact; the copy is deleted at the end of the block."""
    with TemporaryDirectory(dir=subject.folder) as folder:
        yield Path(
            mlflow.artifacts.download_artifacts(
                run_id=subject.run_id,
                artifact_path=path,
                dst_path=folder,
                tracking_uri=subject.url,
            )
        )


def _arrived(subject: Subject, path: str, size: int) -> str:
    subject.artifacts[path] = size
    return f"{path}, {_size(size)}"


def _write_noise(path: Path, size: int) -> str:
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for offset in range(0, size, _BLOCK):
            block = os.urandom(min(_BLOCK, size - offset))
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(size: int) -> str:
    value = float(size)
    for unit in ("bytes", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.4g} {unit}"
        value /= 1024
    return f"{value:.4g} GiB"


def _rate(size: int, seconds: float) -> str:
    return f"{size / _BLOCK / max(seconds, 1e-3):.0f} MiB/s"
