"""What the build of a wheel adds to the sources: machine code, the commit, a bill of materials.

``HEADGATE_COMPILE=1`` when a wheel is built compiles, with mypyc, the modules that pyproject.toml
names.  Without it the wheel is pure Python, and so is every editable installation.

The commit is that of Git, or ``HEADGATE_COMMIT`` where there is none; a source archive takes it
along as ``src/headgate/commit.txt``.
"""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

COMMIT = "headgate/commit.txt"


class BuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds what is made for an archive; nothing is written into the source tree.

    There the tests would find it.
    """

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make it.

        Raises:
            subprocess.CalledProcessError: a program of the build has failed, and said why.
        """
        if version == "editable":
            return
        self._folder = tempfile.TemporaryDirectory(prefix="headgate-build-")
        commit = self._add_commit(build_data)
        if self.target_name != "wheel":
            return
        compiles = os.environ.get("HEADGATE_COMPILE") == "1"
        if compiles:
            self._compile(build_data)
        mypy = [importlib.metadata.version("mypy")] if compiles else []
        file = Path(self._folder.name, "headgate.cdx.json")
        self._run("tools/sbom.py", "wheel", self.metadata.version, commit, str(file), *mypy)
        build_data["sbom_files"].append(str(file))

    def finalize(
        self,
        version: str,  # noqa: ARG002 - the signature is hatchling's
        build_data: dict[str, Any],  # noqa: ARG002
        artifact_path: str,  # noqa: ARG002
    ) -> None:
        """Remove what is in the archive now."""
        if hasattr(self, "_folder"):
            self._folder.cleanup()

    def _add_commit(self, build_data: dict[str, Any]) -> str:
        """Put the commit into the archive, unless it is there; the commit, or nothing."""
        brought = Path(self.root, "src", COMMIT)
        if brought.exists():
            return brought.read_text(encoding="ascii").strip()
        commit = os.environ.get("HEADGATE_COMMIT") or _commit(Path(self.root))
        if commit:
            file = Path(self._folder.name, "commit.txt")
            file.write_text(f"{commit}\n", encoding="ascii")
            place = COMMIT if self.target_name == "wheel" else f"src/{COMMIT}"
            build_data["force_include"][str(file)] = place
        return commit

    def _compile(self, build_data: dict[str, Any]) -> None:
        source = Path(self.root, "src")
        made = Path(self._folder.name, "made")
        modules = [str(file) for name in self.config["compile"] for file in _files(source, name)]
        settings = Path(self.root, "pyproject.toml")
        self._run("tools/compile.py", str(settings), self._folder.name, *modules)
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["force_include"] |= {
            str(file): str(file.relative_to(made)) for file in made.rglob("*.so")
        }

    def _run(self, program: str, *arguments: str) -> None:
        command = [sys.executable, str(Path(self.root, program)), *arguments]
        subprocess.run(command, cwd=Path(self.root, "src"), check=True)  # noqa: S603 - our own build


def _commit(root: Path) -> str:
    """The commit of a work tree, with ``-dirty`` where that differs; empty: there is no Git."""
    if not (root / ".git").exists():
        return ""
    try:
        found = _git(root, "rev-parse", "HEAD")
        return f"{found}-dirty" if _git(root, "status", "--porcelain") else found
    except (OSError, subprocess.CalledProcessError):
        return ""


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    return done.stdout.strip()


def _files(source: Path, name: str) -> list[Path]:
    """The modules of a package, packages within it included, or the one module ``name``."""
    path = source / name
    found = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return [file.relative_to(source) for file in found]
