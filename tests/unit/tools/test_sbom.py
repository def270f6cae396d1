"""The bills of materials: valid by CycloneDX's own schema, complete, and the same each time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools import compiled, release_checks, sbom

COMMIT = "0123456789abcdef0123456789abcdef01234567"
BASE = f"python:3.12-slim@sha256:{'a' * 64}"
LOCK = (compiled.ROOT / "requirements" / "serve.lock").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "document",
    [
        sbom.of_wheel("1.2.3", COMMIT),
        sbom.of_wheel("1.2.3", "", "2.4.1"),
        sbom.of_image("1.2.3", COMMIT, LOCK, BASE, 1_700_000_000),
    ],
)
def test_the_schema_has_nothing_to_object_to(document: dict[str, object]) -> None:
    assert release_checks.of_sbom(json.dumps(document)) == []


def test_the_schema_would_say_so() -> None:
    document = sbom.of_wheel("1.2.3", COMMIT)
    assert release_checks.of_sbom(json.dumps(document | {"componets": []}))
    assert release_checks.of_sbom(json.dumps(document | {"serialNumber": "7"}))
    component = {"type": "library", "bom-ref": "x", "name": "x"}
    loose = document | {"components": [component]}
    assert release_checks.of_sbom(json.dumps(loose)) == ["bill of materials: loose components"]


def test_the_image_has_every_package_of_the_lock_with_its_hashes() -> None:
    document = sbom.of_image("1.2.3", COMMIT, LOCK, BASE)
    image, *packages = document["components"]
    assert image["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    assert len(packages) == LOCK.count("==") - LOCK.count("python_version ==") - LOCK.count(
        "sys_platform =="
    ) - LOCK.count("implementation_name ==") - LOCK.count("platform_python_implementation ==")
    assert {"boto3", "psycopg", "pydantic", "uvloop"} <= {each["name"] for each in packages}
    hashes = [ref["hashes"] for each in packages for ref in each["externalReferences"]]
    assert len(hashes) == LOCK.count("--hash=sha256:")


def test_a_wheel_has_what_is_in_it() -> None:
    assert sbom.of_wheel("1.2.3", COMMIT)["components"] == []
    (mypy,) = sbom.of_wheel("1.2.3", COMMIT, "2.4.1")["components"]
    assert mypy["purl"] == "pkg:pypi/mypy@2.4.1"


def test_the_same_is_the_same_and_another_is_another() -> None:
    first = sbom.of_wheel("1.2.3", COMMIT, seconds=1)
    assert first == sbom.of_wheel("1.2.3", COMMIT, seconds=1)
    assert first["serialNumber"] != sbom.of_wheel("1.2.4", COMMIT, seconds=1)["serialNumber"]
    assert first["metadata"]["timestamp"] == "1970-01-01T00:00:01+00:00"


@pytest.mark.parametrize("base", ["python:3.12", "python@sha256:abc", ""])
def test_an_image_without_a_digest_is_refused(base: str) -> None:
    with pytest.raises(ValueError, match="has no digest"):
        sbom.of_image("1.2.3", COMMIT, LOCK, base)


def test_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "2")
    file, lock = tmp_path / "sbom.json", compiled.ROOT / "requirements" / "serve.lock"
    assert sbom.main(["wheel", "1.2.3", COMMIT, str(file), "2.4.1"]) == 0
    assert json.loads(file.read_text()) == sbom.of_wheel("1.2.3", COMMIT, "2.4.1", 2)
    assert sbom.main(["image", "1.2.3", COMMIT, str(file), str(lock), BASE]) == 0
    assert json.loads(file.read_text()) == sbom.of_image("1.2.3", COMMIT, LOCK, BASE, 2)
    assert "python tools/sbom.py" in str(sbom.main(["wheel"]))
