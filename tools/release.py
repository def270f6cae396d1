"""Builds what is released, of a commit for which ``make test-long`` has passed.

    python -m tools.release allowed    is there a record for this commit?
    python -m tools.release build      everything that is released, into dist/
    python -m tools.release rehearse   the same of any commit, without a compiled wheel, into
                                       build/rehearsal/

``make release`` asks the first, runs ``make check``, and builds: a source archive, a wheel for any
Python and a compiled one, each with a bill of materials in it; one of the image; a statement of
provenance; and the check sums of all these.

The image is not built here.  ``PYTHON_IMAGE`` and ``BUILD_IMAGE`` name its base images by digest;
without them a release stops.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tools import release_checks, release_provenance, sbom
from tools.long_tests import RECORD, ROOT, NoRecordError, clean_commit, read

DIST: Final = Path("dist")
REHEARSAL: Final = Path("build", "rehearsal")
TARGETS: Final = (
    ("sdist", "0"),
    ("wheel", "0"),  # for any Python and platform
    ("wheel", "1"),  # compiled, for this Python and platform
)
IMAGES: Final = ("PYTHON_IMAGE", "BUILD_IMAGE")
NO_IMAGE: Final = f"example.invalid/rehearsal@sha256:{'0' * 64}"
"""Stands for a base image in a rehearsal, which has none."""
_BY_DIGEST: Final = re.compile(r"[a-z0-9][\w./:-]*@sha256:[0-9a-f]{64}")


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


def base_images(environment: Mapping[str, str]) -> list[str]:
    """The base images of the image, by digest.

    Raises:
        NotReleasedError: one is not named, or only by a tag, which may mean another one tomorrow.
    """
    found = []
    for name in IMAGES:
        image = environment.get(name, "")
        if not _BY_DIGEST.fullmatch(image):
            raise NotReleasedError(
                f"{name} is {image or 'not set'}, which is no image by digest: set it to "
                "NAME:TAG@sha256:…; docs/how-to/run-in-a-container.md says how to look it up"
            )
        found.append(image)
    return found


def build(root: Path) -> list[Path]:
    """Build everything anew; the files.

    Raises:
        NotReleasedError: as ``allowed`` and ``base_images``, or a build or a check has failed.
    """
    commit = allowed(root)
    return make(root, root / DIST, commit, TARGETS, base_images(os.environ))


def rehearse(root: Path) -> list[Path]:
    """Do the same of any commit, but for what takes minutes; the files.

    Raises:
        NotReleasedError: a build or a check has failed.
    """
    targets = [each for each in TARGETS if each != ("wheel", "1")]
    try:
        commit = git(root, "rev-parse", "HEAD")
    except subprocess.CalledProcessError as error:
        raise NotReleasedError(f"there is no commit: {error.stderr.strip()}") from None
    return make(root, root / REHEARSAL, commit, targets, [NO_IMAGE, NO_IMAGE])


def make(
    root: Path, folder: Path, commit: str, targets: Sequence[tuple[str, str]], images: Sequence[str]
) -> list[Path]:
    """Build ``targets`` of a commit, and write what goes with them; the files.

    Raises:
        NotReleasedError: a build has failed, or what it made is not as it should be.
    """
    for old in folder.glob("*"):
        if old.name.startswith("headgate-") or old.name == release_provenance.SUMS:
            old.unlink()
    epoch = int(git(root, "log", "-1", "--format=%ct"))
    version = version_of(root)
    for target, compiled in targets:
        _build(root, folder, target, compiled, commit, epoch)
    files = sorted(folder.glob("headgate-*"))
    if found := [
        f"{each.name} {problem}"
        for each in files
        for problem in release_checks.problems(each, version, commit)
    ]:
        raise NotReleasedError("\n  ".join(["what was built is not good:", *found]))
    lock = (root / "requirements" / "serve.lock").read_text(encoding="utf-8")
    image = sbom.of_image(version, commit, lock, images[0], epoch)
    files.append(release_provenance.write(folder, f"headgate-{version}-image.cdx.json", image))
    if found := release_checks.of_sbom(files[-1].read_text(encoding="utf-8")):
        raise NotReleasedError("\n  ".join([files[-1].name, *found]))
    python = f"{platform.python_version()} {sysconfig.get_platform()}"
    said = release_provenance.statement(files, root, commit, epoch, python, images)
    files.append(release_provenance.write(folder, f"headgate-{version}.intoto.json", said))
    return [*files, release_provenance.write_sums(folder, files)]


def _build(root: Path, folder: Path, target: str, compiled: str, commit: str, epoch: int) -> None:
    command = ("-m", "hatchling", "build", "--target", target, "--directory", str(folder))
    environment = os.environ | {
        "HEADGATE_COMPILE": compiled,
        "HEADGATE_COMMIT": commit,
        "SOURCE_DATE_EPOCH": str(epoch),
    }
    done = subprocess.run(  # noqa: S603 - our own build
        [sys.executable, *command], cwd=root, env=environment, check=False, stdout=sys.stderr
    )
    if done.returncode:
        raise NotReleasedError(f"the build of the {target} has failed")


def image_command(version: str, commit: str, images: Sequence[str]) -> str:
    """The command that builds the image."""
    arguments = dict(zip(IMAGES, images, strict=True))
    arguments |= {"HEADGATE_VERSION": version, "HEADGATE_COMMIT": commit}
    words = " ".join(f"--build-arg {name}={value}" for name, value in arguments.items())
    return f"docker build --tag headgate:{version} {words} ."


def version_of(root: Path) -> str:
    """The version in ``pyproject.toml``.

    Raises:
        NotReleasedError: the package says another one of itself.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = str(project["version"])
    package = (root / "src" / "headgate" / "__init__.py").read_text(encoding="utf-8")
    if f'__version__ = "{version}"' not in package:
        raise NotReleasedError(
            f"pyproject.toml has version {version}, and src/headgate/__init__.py another one"
        )
    return version


def git(root: Path, *arguments: str) -> str:
    """What Git prints.

    Raises:
        subprocess.CalledProcessError: it fails.
    """
    done = subprocess.run(  # noqa: S603 - named here
        ["git", *arguments],  # noqa: S607
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def main(arguments: Sequence[str]) -> str | int:
    """Do what is asked; the exit status, or the sentence that says why not."""
    try:
        match list(arguments):
            case ["allowed"]:
                sys.stdout.write(f"release of {allowed(ROOT)}\n")
                base_images(os.environ)
            case ["build"]:
                sys.stdout.write("".join(f"{file}\n" for file in build(ROOT)))
                command = image_command(
                    version_of(ROOT), git(ROOT, "rev-parse", "HEAD"), base_images(os.environ)
                )
                sys.stdout.write(f"the image is not built; build it with: {command}\n")
            case ["rehearse"]:
                sys.stdout.write("".join(f"{file}\n" for file in rehearse(ROOT)))
            case _:
                return __doc__ or ""
    except NotReleasedError as error:
        return f"release: {error}"
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
