"""A machine that runs the tests gets programs, and no service that takes a port."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests import install_debian_packages
from tests.support.debian import DebianPackage


def test_services_are_neither_started_nor_enabled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "named"
    commands: list[list[str]] = []

    def run(command: Sequence[str]) -> str:
        commands.append(list(command))
        program.touch()
        return ""

    monkeypatch.setattr(install_debian_packages, "_run", run)
    monkeypatch.setattr(install_debian_packages, "_root_prefix", lambda: ["sudo", "-n"])
    monkeypatch.setattr(
        "tests.install_debian_packages.shutil.which", lambda program: f"/usr/bin/{program}"
    )
    package = DebianPackage("named", program, "tests/none", ("named", "named-helper"))
    assert install_debian_packages.install(package) == ""
    install, disable = commands
    for command in (install, disable):
        assert command[:3] == ["sudo", "-n", "env"]  # sudo passes no variable on
        assert "SYSTEMD_OFFLINE=1" in command
    assert install[-1] == "named"
    assert disable[-4:] == ["systemctl", "disable", "named", "named-helper"]
