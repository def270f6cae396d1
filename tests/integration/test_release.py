"""The steps of a release but for the long tests: what is built, and what is written beside it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.support.processes import clean_environment
from tools import release, release_checks
from tools.compiled import ROOT

IMAGE = f"docker.io/library/python:3.12-slim@sha256:{'b' * 64}"
TARGETS = (("sdist", "0"), ("wheel", "0"))


@pytest.fixture(scope="module")
def commit() -> str:
    return release.git(ROOT, "rev-parse", "HEAD")


@pytest.fixture(scope="module")
def built(commit: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("dist")
    files = release.make(ROOT, folder, commit, TARGETS, [IMAGE, IMAGE])
    assert sorted(folder.iterdir()) == sorted(files)
    return {each.name: each for each in files}


def one(built: dict[str, Path], suffix: str) -> Path:
    (found,) = (each for name, each in built.items() if name.endswith(suffix))
    return found


def test_a_second_build_is_the_same(built: dict[str, Path], commit: str, tmp_path: Path) -> None:
    """Beside old files, which are not taken along."""
    (tmp_path / "headgate-0.0.1-py3-none-any.whl").touch()
    (tmp_path / "notes.txt").touch()
    again = release.make(ROOT, tmp_path, commit, TARGETS, [IMAGE, IMAGE])
    for file in again:
        assert file.read_bytes() == built[file.name].read_bytes(), file.name
    assert sorted(tmp_path.iterdir()) == sorted([*again, tmp_path / "notes.txt"])


def test_check_sums_and_provenance_name_every_file(built: dict[str, Path], commit: str) -> None:
    folder = one(built, "SHA256SUMS").parent
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.count(": OK") == len(built) - 1
    said = json.loads(one(built, ".intoto.json").read_text())
    assert said["_type"] == "https://in-toto.io/Statement/v1"
    assert said["predicateType"] == "https://slsa.dev/provenance/v1"
    subjects = {each["name"]: each["digest"]["sha256"] for each in said["subject"]}
    assert set(subjects) == set(built) - {"SHA256SUMS", one(built, ".intoto.json").name}
    for name, digest in subjects.items():
        assert hashlib.sha256(built[name].read_bytes()).hexdigest() == digest
    materials = said["predicate"]["buildDefinition"]["resolvedDependencies"]
    digests = [each["digest"] for each in materials]
    assert digests[0] == {"gitCommit": commit}
    lock = (ROOT / "requirements" / "serve.lock").read_bytes()
    assert {"sha256": hashlib.sha256(lock).hexdigest()} in digests
    assert digests[-1] == {"sha256": "b" * 64}
    assert "unsigned" in said["predicate"]["runDetails"]["builder"]["id"]


def test_the_wheel_and_one_of_the_archive_say_their_commit(
    built: dict[str, Path], commit: str, tmp_path: Path
) -> None:
    """Also where there is no Git any more: the archive has brought the commit along."""
    with tarfile.open(one(built, ".tar.gz")) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", tmp_path],
        cwd=source,
        check=True,
        capture_output=True,
        env=clean_environment() | {"HEADGATE_COMPILE": "0"},
    )
    (rebuilt,) = tmp_path.glob("*.whl")
    for number, wheel in enumerate((one(built, ".whl"), rebuilt)):
        folder = tmp_path / f"installed{number}"
        with zipfile.ZipFile(wheel) as archive_of_wheel:
            archive_of_wheel.extractall(folder)  # noqa: S202 - our own
        done = subprocess.run(
            [sys.executable, "-m", "headgate", "--version"],
            env=clean_environment() | {"PYTHONPATH": str(folder)},
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
        )
        assert f", commit {commit[:12]}\n" in done.stdout


@pytest.mark.parametrize(
    ("left_out", "why"),
    [
        ("sboms/headgate.cdx.json", "has no headgate-"),
        ("commit.txt", "has no headgate/commit.txt"),
        ("licenses/LICENSE", "has no licence"),
    ],
)
def test_a_wheel_that_lacks_something_is_not_released(
    left_out: str, why: str, built: dict[str, Path], commit: str, tmp_path: Path
) -> None:
    whole, lacking = one(built, ".whl"), tmp_path / one(built, ".whl").name
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(lacking, "w") as target:
        for each in source.namelist():
            if not each.endswith(left_out):
                target.writestr(each, source.read(each))
    version = release.version_of(ROOT)
    assert release_checks.problems(whole, version, commit) == []
    assert any(why in each for each in release_checks.problems(lacking, version, commit))
    assert release_checks.problems(whole, version, "another commit")
    assert release_checks.problems(one(built, ".tar.gz"), version, commit) == []


@pytest.mark.parametrize("image", ["", "python:3.12-slim", f"python@sha256:{'b' * 63}", "python@"])
def test_a_release_stops_at_an_image_without_a_digest(image: str) -> None:
    with pytest.raises(release.NotReleasedError, match=r"^BUILD_IMAGE is .+ no image by digest"):
        release.base_images({"PYTHON_IMAGE": IMAGE, "BUILD_IMAGE": image})
    good = {"PYTHON_IMAGE": IMAGE, "BUILD_IMAGE": IMAGE}
    assert release.base_images(good) == [IMAGE, IMAGE]
    command = release.image_command("1.2.3", "abc", [IMAGE, IMAGE])
    assert f"--build-arg PYTHON_IMAGE={IMAGE} --build-arg BUILD_IMAGE={IMAGE} " in command
