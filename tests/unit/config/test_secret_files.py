"""Secret files that more users may read than must."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.config import Config, exposed_secrets, load


def config(file: Path, plain: Path) -> Config:
    return load(
        None,
        {},
        {
            "listen.tls.certificate": plain,
            "listen.tls.key": file,
            "upstreams.default.url": "https://mlflow:5000",
            "upstreams.default.tls.certificate": plain,
            "upstreams.default.tls.key": file,
            "upstreams.default.credentials.policy": "replace",
            "upstreams.default.credentials.token_file": file,
        },
    )


@pytest.mark.parametrize(
    ("bits", "told"),
    [
        (0o600, None),
        (0o640, None),
        (0o644, "may be read by every user: chmod o-r it"),
        (0o602, "may be written by every user: chmod 600 it"),
        (0o666, "may be read and written by every user: chmod 600 it"),
    ],
)
def test_each_secret_file_is_named_with_its_setting(
    tmp_path: Path, bits: int, told: str | None
) -> None:
    """And no file that holds no secret, such as a certificate."""
    file, plain = tmp_path / "secret", tmp_path / "certificate"
    file.write_text("secret")
    plain.write_text("certificate")
    plain.chmod(0o666)
    file.chmod(bits)
    found = exposed_secrets(config(file, plain))
    settings = [
        "listen.tls.key",
        "upstreams.default.tls.key",
        "upstreams.default.credentials.token_file",
    ]
    assert [each.path for each in found] == (settings if told else [])
    assert all(each.message == f"{file} {told}" for each in found)


def test_what_is_no_file_is_no_matter(tmp_path: Path) -> None:
    """A device or a file that is gone: other checks tell of those."""
    plain = tmp_path / "certificate"
    plain.touch()
    settings = config(Path("/dev/null"), plain)
    assert exposed_secrets(settings) == []
