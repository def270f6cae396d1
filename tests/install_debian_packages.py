"""Installs the Debian packages that tests need, where that is possible without asking anybody.

``python -m tests.install_debian_packages`` always ends with exit code 0: where a package cannot
be installed it says so in one line, and the tests that need it are skipped (in CI they fail).

Tests start every server themselves: the services of Debian's packages are neither started nor
enabled, so that none of them takes a port.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

from tests.support.debian import PACKAGES, DebianPackage

INSTALL_SECONDS = 900
_QUIET = ("env", "DEBIAN_FRONTEND=noninteractive", "SYSTEMD_OFFLINE=1", "RUNLEVEL=1")
"""Let no service start: the second setting is heard by systemctl, the third by invoke-rc.d."""


def main() -> None:
    """Install each missing package, or say which tests go without."""
    for package in PACKAGES:
        if not package.is_installed and (obstacle := install(package)):
            sys.stderr.write(
                f"tests: {package.needed_by} will be skipped, since the Debian package "
                f"{package.name} is missing and {obstacle}\n"
            )


def install(package: DebianPackage) -> str:
    """Install one package and return what stood in the way, or nothing."""
    if shutil.which("apt-get") is None:
        return "this system has no apt-get"
    prefix = _root_prefix()
    if prefix is None:
        return f"you are not root; run: sudo apt-get install {package.name}"
    sys.stderr.write(f"tests: installing the Debian package {package.name}\n")
    quiet = [*prefix, *_QUIET]
    install = [*quiet, "apt-get", "install", "-y", "--no-install-recommends", package.name]
    # The package lists may be missing or old; asking for new ones first would be slow each time.
    for command in (install, [*quiet, "apt-get", "update"], install):
        failure = _run(command)
        if package.is_installed:
            _keep_from_booting(package, quiet)
            return ""
    return f"apt-get cannot install it: {failure or 'it brings no ' + str(package.program)}"


def _keep_from_booting(package: DebianPackage, quiet: Sequence[str]) -> None:
    """Let the package's services not start with the machine either."""
    if package.services and shutil.which("systemctl") is not None:
        _run([*quiet, "systemctl", "disable", *package.services])


def _root_prefix() -> Sequence[str] | None:
    """Return what to put before a command to run it as root, or ``None`` where nothing helps."""
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo is None or _run([sudo, "-n", "true"]):
        return None  # sudo is missing, or it would ask for a password
    return [sudo, "-n"]


def _run(command: Sequence[str]) -> str:
    """Run a command in silence and return the last line of its complaint, or nothing."""
    try:
        done = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"no end within {INSTALL_SECONDS} s"
    lines = done.stderr.strip().splitlines()
    return lines[-1] if done.returncode and lines else ""


if __name__ == "__main__":
    main()
