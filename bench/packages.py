"""The Debian packages of the programs that are compared, and of what puts load on them."""

from __future__ import annotations

from pathlib import Path

from bench import wrk
from bench.peers.programs import CADDY_PACKAGE, NGINX_PACKAGE
from tests.install_debian_packages import install as install_package
from tests.support import debian

PACKAGES = (NGINX_PACKAGE, debian.HAPROXY, CADDY_PACKAGE, wrk.PACKAGE)
_SYSTEMD = Path("/run/systemd/system")


def install() -> list[str]:
    """Install each package that is missing; returns a line for each that cannot be.

    Debian starts nginx, HAProxy and Caddy as services once they are installed.  On a machine that
    runs services (systemd) that is for its owner to decide: there nothing is installed.
    """
    lines = []
    for package in PACKAGES:
        if package.is_installed:
            continue
        if _SYSTEMD.exists():
            obstacle = f"its service would start here; run: sudo apt-get install {package.name}"
        else:
            obstacle = install_package(package)
        if obstacle:
            lines.append(f"the Debian package {package.name} is missing and {obstacle}")
    return lines
