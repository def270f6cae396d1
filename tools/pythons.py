"""Runs the unit tests on each version of Python that Headgate supports and this machine has.

``python -m tools.pythons [ARGUMENT ...]`` makes an environment for each below ``.venv-pythons`` and
hands the arguments to pytest.  A version without an interpreter is skipped, which is said loudly;
exit code 1 if the tests fail on one, or none could be tried.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
FOLDER = ROOT / ".venv-pythons"
_LOCKS = ("requirements/dev.lock", "requirements/tools.lock")


def interpreter(version: str, home: Path | None = None) -> Path | None:
    """An interpreter of that version, from ``PATH`` or as pyenv keeps them below ``home``."""
    folder = (Path.home() if home is None else home) / ".pyenv" / "versions"
    kept = sorted(folder.glob(f"{version}.*/bin/python{version}"))
    on_path = shutil.which(f"python{version}")
    found = [*kept[-1:], *([Path(on_path)] if on_path else [])]
    return next((each for each in found if _runs(each, version)), None)


def main(arguments: Sequence[str]) -> int:
    """Run the unit tests on each version; the exit code."""
    results = {version: _try(version, arguments) for version in VERSIONS}
    for version, result in results.items():
        sys.stdout.write(f"Python {version}: {result}\n")
    tried = [result for result in results.values() if not result.startswith("SKIPPED")]
    return 0 if tried and all(result == "passed" for result in tried) else 1


def _try(version: str, arguments: Sequence[str]) -> str:
    python = interpreter(version)
    if python is None:
        return f"SKIPPED, no interpreter here; try: uv python install {version}"
    sys.stdout.write(f"--- Python {version} ({python})\n")
    sys.stdout.flush()
    own = _environment(version, python)
    if own is None:
        return "its environment cannot be made"
    tests = arguments or ["-q", "tests/unit"]
    return "passed" if _run(own, "-m", "pytest", *tests) else "FAILED"


def _environment(version: str, python: Path) -> Path | None:
    """The Python of an environment with the pinned packages, or None."""
    folder = FOLDER / version
    own = folder / "bin" / "python"
    uv = ("-m", "uv", "pip")
    requirements = [part for lock in _LOCKS for part in ("-r", lock)]
    here = Path(sys.executable)
    made = (
        _run(python, "-m", "venv", "--without-pip", str(folder))
        and _run(
            here, *uv, "install", "-q", "--python", str(own), "--require-hashes", *requirements
        )
        and _run(
            *(here, *uv, "install", "-q", "--python", str(own)),
            *("--no-deps", "--no-build-isolation", "-e", "."),
        )
    )
    return own if made else None


def _run(python: Path, *arguments: str) -> bool:
    return subprocess.run([python, *arguments], cwd=ROOT, check=False).returncode == 0  # noqa: S603


def _runs(python: Path, version: str) -> bool:
    """Whether that is what its name says; pyenv leaves names on ``PATH`` that start nothing."""
    done = subprocess.run(  # noqa: S603 - an interpreter of this machine
        [python, "-c", "import sys, venv; print('%d.%d' % sys.version_info[:2])"],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    return done.returncode == 0 and done.stdout.strip() == version


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
