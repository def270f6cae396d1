"""Compiles the hot path to machine code, for a wheel that is asked to have it so.

``HEADGATE_COMPILE=1`` when a wheel is built compiles, with mypyc, the modules that pyproject.toml
names.  Without it the wheel is pure Python, and so is every editable installation.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompileHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the compiled modules to a wheel, beside the sources that they were made from.

    Nothing is written into the source tree, where the tests would find it.
    """

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, where that is asked for.

        Raises:
            subprocess.CalledProcessError: mypyc or the C compiler has failed, and said why.
        """
        if version == "editable" or os.environ.get("HEADGATE_COMPILE") != "1":
            return
        source = Path(self.root, "src")
        self._folder = tempfile.TemporaryDirectory(prefix="headgate-compile-")
        made = Path(self._folder.name, "made")
        modules = [str(file) for name in self.config["compile"] for file in _files(source, name)]
        program, settings = Path(self.root, "tools/compile.py"), Path(self.root, "pyproject.toml")
        command = [sys.executable, str(program), str(settings), self._folder.name, *modules]
        subprocess.run(command, cwd=source, check=True)  # noqa: S603 - our own build
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["force_include"] |= {
            str(file): str(file.relative_to(made)) for file in made.rglob("*.so")
        }

    def finalize(
        self,
        version: str,  # noqa: ARG002 - the signature is hatchling's
        build_data: dict[str, Any],  # noqa: ARG002
        artifact_path: str,  # noqa: ARG002
    ) -> None:
        """Remove what is in the wheel now."""
        if hasattr(self, "_folder"):
            self._folder.cleanup()


def _files(source: Path, name: str) -> list[Path]:
    """The modules of a package, packages within it included, or the one module ``name``."""
    path = source / name
    found = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return [file.relative_to(source) for file in found]
