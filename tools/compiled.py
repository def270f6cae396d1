"""A compiled build of the gate, unpacked beside the sources: what the tests and benchmarks run.

``python -m tools.compiled`` makes it, unless it is there already, and prints its folder.  With that
folder first in ``PYTHONPATH`` every ``headgate`` of this checkout is the compiled one.

Tests have a build of their own, which the C compiler does not optimise: what they are after is what
mypyc makes of Python, and that is the same C in both.  Without optimisation, mypyc also leaves the
assertions of its own C and of Python's in.
"""

from __future__ import annotations

import compileall
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
_SOURCE = ROOT / "src"
_BUILDS = ROOT / "build"
_INPUTS = (
    "pyproject.toml",
    "hatch_build.py",
    "tools/compile.py",
    "tools/sbom.py",
    "requirements/dev.lock",
)


class CannotCompileError(Exception):
    """A compiled build cannot be made here; the message says why."""


def build(level: int = 3) -> Path:
    """The folder of a build of the sources as they are, made in a minute if it has to be.

    ``level`` is how hard the C compiler optimises.  Of processes that ask side by side, one builds.

    Raises:
        CannotCompileError: there is no C compiler, or it or mypyc has failed.
    """
    name = f"compiled-{platform.python_version()}{'' if level == 3 else f'-O{level}'}"
    _BUILDS.mkdir(exist_ok=True)
    with (_BUILDS / f"{name}.turn").open("wb") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        _make(_BUILDS / name, level)
    return _BUILDS / name


def wheel(build: Path) -> Path:
    """The wheel that a build was unpacked from."""
    (found,) = build.glob("*.whl")
    return found


def modules() -> frozenset[str]:
    """The modules that are compiled, by their dotted names."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    names = settings["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]["compile"]
    paths = [_SOURCE / name for name in names]
    files = [file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])]
    dotted = (".".join(file.relative_to(_SOURCE).with_suffix("").parts) for file in files)
    return frozenset(name.removesuffix(".__init__") for name in dotted)


def _make(folder: Path, level: int) -> None:
    """Build in ``folder``, unless the build that is there is of these sources."""
    wanted = _fingerprint()
    known = folder / "fingerprint"
    if known.exists() and known.read_text(encoding="ascii") == wanted:
        return
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        raise CannotCompileError(f"needs a C compiler, here {compiler}: apt-get install gcc")
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="headgate-wheel-") as made:
        _run(level, "-m", "hatchling", "build", "--target", "wheel", "--directory", made)
        (packed,) = Path(made).glob("*.whl")
        shutil.unpack_archive(packed, folder, "zip")
        shutil.copy(packed, folder)
    compileall.compile_dir(folder, quiet=1)  # as the installation of a wheel does
    known.write_text(wanted, encoding="ascii")


def _fingerprint() -> str:
    """Stands for everything that the build is made of."""
    found = hashlib.sha256(f"{sys.version} {sysconfig.get_platform()}".encode())
    sources = sorted(_SOURCE.rglob("*.py"))
    for file in (*(ROOT / name for name in _INPUTS), *sources):
        content = file.read_bytes()
        found.update(f"{file.relative_to(ROOT)} {len(content)}\n".encode() + content)
    return found.hexdigest()


def _run(level: int, *arguments: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own build
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | {"HEADGATE_COMPILE": "1", "HEADGATE_COMPILE_LEVEL": str(level)},
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
