"""Runs the tests that take long, and records for which commit they have passed.

``make test-long`` is this program.  ``make release`` wants its record, ``build/test-long.json``:

    {"commit": "2f1c…", "seconds": 2712, "passed": 58}

There is none of a part of the tests, of a tree that differs from its commit, or of a run in which
a test was skipped.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

ROOT: Final = Path(__file__).parents[1]
RECORD: Final = Path("build", "test-long.json")
RUN: Final = Path("build", "test-long.xml")
COMMAND: Final = (
    *(sys.executable, "-m", "pytest", "-m", "long", "--timeout", "3600"),
    *("-n", "auto", "--dist", "loadfile", "--no-loadscope-reorder", "--durations", "0"),
    *("--junitxml", str(RUN), "-o", "junit_logging=system-out"),
)


class NoRecordError(Exception):
    """The tests prove nothing about a commit; the message says why."""


@dataclass(frozen=True)
class Record:
    """That all long tests of a commit have passed, and in which time on the clock."""

    commit: str
    seconds: int
    passed: int


def clean_commit(root: Path) -> str:
    """The commit that the tree ``root`` is of.

    Raises:
        NoRecordError: the tree differs from it, or is no work tree of Git.
    """
    changed = _git(root, "status", "--porcelain")
    if changed:
        files = "\n  ".join(changed.splitlines())
        raise NoRecordError(f"the tree differs from its commit:\n  {files}")
    return _git(root, "rev-parse", "HEAD")


def write(root: Path, commit: str, seconds: float) -> Record:
    """Record a run in ``root`` that has ended well and was begun at ``commit``.

    Raises:
        NoRecordError: the tree is no longer what it was, or a test was skipped.
    """
    if clean_commit(root) != commit:
        raise NoRecordError("another commit was checked out meanwhile")
    cases = list(ET.parse(root / RUN).iter("testcase"))  # noqa: S314 - pytest has written it
    skipped = sum(case.find("skipped") is not None for case in cases)
    if skipped or not cases:
        raise NoRecordError(f"{skipped} of {len(cases)} tests were skipped")
    record = Record(commit, round(seconds), len(cases))
    (root / RECORD).write_text(json.dumps(asdict(record)) + "\n", encoding="utf-8")
    return record


def read(root: Path) -> Record | None:
    """The record in ``root``, if there is one."""
    try:
        return Record(**json.loads((root / RECORD).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def figures(root: Path) -> str:
    """What the tests of the last run have printed, such as how many requests they compared."""
    texts = ET.parse(root / RUN).iterfind(".//testcase/system-out")  # noqa: S314 - as above
    lines = (line for text in texts for line in (text.text or "").splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("-"))


def main(arguments: Sequence[str]) -> str | int:
    """Run the tests; the exit status, or the sentence that says why there is no record."""
    (ROOT / RECORD).unlink(missing_ok=True)
    (ROOT / RECORD).parent.mkdir(exist_ok=True)
    if arguments:
        return _run(arguments)
    begun = time.monotonic()
    try:
        commit = clean_commit(ROOT)
    except NoRecordError as error:
        commit = ""
        sys.stderr.write(f"test-long: there will be no record, since {error}\n")
    if status := _run():
        return status
    sys.stdout.write(figures(ROOT))
    if not commit:
        return 0
    try:
        record = write(ROOT, commit, time.monotonic() - begun)
    except NoRecordError as error:
        return f"test-long: not recorded: {error}"
    sys.stdout.write(f"{record.passed} tests passed for {commit}: recorded in {RECORD}\n")
    return 0


def _run(arguments: Sequence[str] = ()) -> int:
    command = [*COMMAND, *arguments]
    return subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603 - our own tests


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - named here
        ["git", *arguments],  # noqa: S607
        cwd=root,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise NoRecordError(done.stderr.strip())
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
