"""Builds what is released, of a commit for which ``make test-long`` has passed.

    python -m tools.release allowed   is there a record for this commit?
    python -m tools.release build     the source archive and the wheels, into dist/

``make release`` asks the first, runs ``make check``, and builds.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tools.long_tests import RECORD, ROOT, NoRecordError, clean_commit, read

DIST: Final = Path("dist")
TARGETS: Final = (
    ("sdist", "0"),
    ("wheel", "0"),  # for any Python and platform
    ("wheel", "1"),  # compiled, for this Python and platform
)


class NotReleasedError(Exception):
    """Nothing is built; the message says why, and what to do."""


def allowed(root: Path) -> str:
    """The commit to release.

    Raises:
        NotReleasedError: the long tests have not passed for it, or there are changes beside it.
    """
    try:
        commit = clean_commit(root)
    except NoRecordError as error:
        raise NotReleasedError(
            f"{error}\ncommit or remove that, then run: make test-long"
        ) from None
    record = read(root)
    if record is None:
        raise NotReleasedError(
            f"there is no record that the long tests have passed for {commit} ({RECORD}); "
            "run: make test-long"
        )
    if record.commit != commit:
        raise NotReleasedError(
            f"the long tests have passed for {record.commit}, and this is {commit}; "
            "run: make test-long"
        )
    return commit


def build(root: Path) -> list[Path]:
    """Build everything anew; the files.

    Raises:
        NotReleasedError: as ``allowed``, or a build has failed.
    """
    allowed(root)
    for old in (root / DIST).glob("headgate-*"):
        old.unlink()
    for target, compiled in TARGETS:
        command = ("-m", "hatchling", "build", "--target", target, "--directory", str(DIST))
        environment = os.environ | {"HEADGATE_COMPILE": compiled}
        done = subprocess.run(  # noqa: S603 - our own build
            [sys.executable, *command], cwd=root, env=environment, check=False
        )
        if done.returncode:
            raise NotReleasedError(f"the build of the {target} has failed")
    return sorted((root / DIST).glob("headgate-*"))


def main(arguments: Sequence[str]) -> str | int:
    """Do what is asked; the exit status, or the sentence that says why not."""
    try:
        if list(arguments) == ["allowed"]:
            sys.stdout.write(f"release of {allowed(ROOT)}\n")
        elif list(arguments) == ["build"]:
            sys.stdout.write("".join(f"{file}\n" for file in build(ROOT)))
        else:
            return __doc__ or ""
    except NotReleasedError as error:
        return f"release: {error}"
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
