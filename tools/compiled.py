"""A compiled build of the gate, unpacked beside the sources: what the tests and benchmarks run.

``python -m tools.compiled`` makes it, unless it is there already, and prints its folder.  With that
folder first in ``PYTHONPATH`` every ``headgate`` of this checkout is the compiled one.
"""

from __future__ import annotations

import compileall
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
_FOLDER = ROOT / "build" / f"compiled-{platform.python_version()}"
_INPUTS = ("pyproject.toml", "hatch_build.py", "tools/compile.py", "requirements/dev.lock")


class CannotCompileError(Exception):
    """A compiled build cannot be made here; the message says why."""


def build() -> Path:
    """The folder of a build of the sources as they are, made in a minute if it has to be.

    Raises:
        CannotCompileError: there is no C compiler, or it or mypyc has failed.
    """
    wanted = _fingerprint()
    known = _FOLDER / "fingerprint"
    if known.exists() and known.read_text(encoding="ascii") == wanted:
        return _FOLDER
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        raise CannotCompileError(f"needs a C compiler, here {compiler}: apt-get install gcc")
    shutil.rmtree(_FOLDER, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="headgate-wheel-") as folder:
        _run("-m", "hatchling", "build", "--target", "wheel", "--directory", folder)
        (wheel,) = Path(folder).glob("*.whl")
        shutil.unpack_archive(wheel, _FOLDER, "zip")
    compileall.compile_dir(_FOLDER, quiet=1)  # as the installation of a wheel does
    known.write_text(wanted, encoding="ascii")
    return _FOLDER


def _fingerprint() -> str:
    """Stands for everything that the build is made of."""
    found = hashlib.sha256(f"{sys.version} {sysconfig.get_platform()}".encode())
    sources = sorted((ROOT / "src").rglob("*.py"))
    for file in (*(ROOT / name for name in _INPUTS), *sources):
        content = file.read_bytes()
        found.update(f"{file.relative_to(ROOT)} {len(content)}\n".encode() + content)
    return found.hexdigest()


def _run(*arguments: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own build
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | {"HEADGATE_COMPILE": "1"},
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise CannotCompileError(f"the build has failed:\n{done.stdout[-4000:]}")


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{build()}\n")
    except CannotCompileError as error:
        sys.exit(f"tools.compiled: {error}")
