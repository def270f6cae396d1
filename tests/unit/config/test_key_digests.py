"""Keys that the configuration brings by their SHA-256."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from headgate.config import load
from headgate.config.key_digests import ended
from headgate.errors import ConfigError

SHA256 = hashlib.sha256(b"a key of a test").hexdigest()
FIRST = "HEADGATE_AUTH__FIRST_KEY_SHA256"


def problems(folder: Path, text: str = "# nothing", **environment: str) -> list[str]:
    file = folder / "headgate.toml"
    file.write_text(text, encoding="utf-8")
    try:
        load(file, environment)
    except ConfigError as error:
        return [str(each) for each in error.problems]
    return []


def emergency(until: datetime | str, sha256: str = SHA256, reason: str = "why") -> str:
    end = until if isinstance(until, str) else until.isoformat()
    return f'[[auth.break_glass]]\nsha256 = "{sha256}"\nuntil = {end}\nreason = "{reason}"\n'


def ahead(**span: float) -> datetime:
    return datetime.now(UTC) + timedelta(**span)


@pytest.mark.parametrize("text", [SHA256, SHA256.upper(), f"sha256:{SHA256}", f" {SHA256}\n"])
def test_a_digest_is_read_in_any_usual_spelling(tmp_path: Path, text: str) -> None:
    config = load(None, {FIRST: text})
    assert config.auth.first_key == bytes.fromhex(SHA256)
    file = tmp_path / "digest"
    file.write_text(text, encoding="ascii")
    assert load(None, {f"{FIRST}_FILE": str(file)}).auth.first_key == bytes.fromhex(SHA256)


@pytest.mark.parametrize("text", ["", "x", SHA256[:-1], SHA256 + "0", "g" * 64, "hg_" + "0" * 61])
def test_what_is_no_digest_is_a_problem_with_its_path(tmp_path: Path, text: str) -> None:
    (problem,) = problems(tmp_path, **{FIRST: text})
    assert problem.startswith(f"auth.first_key_sha256 (from {FIRST}): must be the SHA-256")
    file = tmp_path / "digest"
    file.write_text(text, encoding="ascii")
    (problem,) = problems(tmp_path, **{f"{FIRST}_FILE": str(file)})
    assert problem.startswith(f"auth.first_key_sha256_file: {file}: must be the SHA-256")


def test_digests_of_examples_are_problems(tmp_path: Path) -> None:
    for text in ("0" * 64, hashlib.sha256(b"").hexdigest(), "deadbeef" * 8):
        (problem,) = problems(tmp_path, **{FIRST: text})
        assert "is the SHA-256 of an example" in problem
        (problem,) = problems(tmp_path, emergency(ahead(hours=1), text))
        assert problem.startswith("auth.break_glass.0.sha256: is the SHA-256 of an example")


def test_a_file_that_cannot_be_read_or_holds_other_bytes_is_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "digest"
    (problem,) = problems(tmp_path, **{f"{FIRST}_FILE": str(file)})
    assert (
        problem == f"auth.first_key_sha256_file: {file} cannot be read: No such file or directory"
    )
    file.write_bytes(b"\xff" * 64)
    (problem,) = problems(tmp_path, **{f"{FIRST}_FILE": str(file)})
    assert "64 hexadecimal digits" in problem
    (problem, *_) = problems(tmp_path, **{f"{FIRST}_FILE": str(file), FIRST: SHA256})
    assert problem.endswith("is given together with auth.first_key_sha256")


def test_a_key_for_an_emergency_ends_within_a_day(tmp_path: Path) -> None:
    assert problems(tmp_path, emergency(ahead(hours=23.9))) == []
    (problem,) = problems(tmp_path, emergency(ahead(hours=25)))
    assert problem.startswith("auth.break_glass.0.until: is more than 24 hours ahead")


@pytest.mark.parametrize("until", ["2027-03-01T18:00:00", '"tomorrow"', "2027-03-01", "17", "true"])
def test_an_end_that_is_no_moment_is_a_problem(tmp_path: Path, until: str) -> None:
    (problem,) = problems(tmp_path, emergency(until))
    assert problem.startswith("auth.break_glass.0.until: must be a time with its zone")


@pytest.mark.parametrize("reason", ["", " ", r"two\nlines", "x" * 501])
def test_a_reason_is_one_line(tmp_path: Path, reason: str) -> None:
    (problem,) = problems(tmp_path, emergency(ahead(hours=1), reason=reason))
    assert problem.startswith("auth.break_glass.0.reason: must be one line of text")


def test_a_digest_that_is_there_twice_is_a_problem(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, emergency(ahead(hours=1)) * 2)
    assert problem == "auth.break_glass.1.sha256: is there twice"


def test_one_that_has_ended_does_nothing_and_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "headgate.toml"
    file.write_text(emergency("2026-01-01T00:00:00Z"), encoding="utf-8")
    config = load(file, {})
    (problem,) = ended(config.auth.break_glass)
    assert str(problem) == "auth.break_glass.0: ended at 2026-01-01T00:00:00Z; remove it"
