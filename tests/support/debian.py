"""Programs from Debian that some tests need, and what happens to those tests without them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class DebianPackage:
    """A package, the program in it that shows whether it is there, and the tests that need it."""

    name: str
    program: Path
    needed_by: str

    @property
    def is_installed(self) -> bool:
        """Whether the package's program is on this machine."""
        return self.program.exists()


CHROMIUM = DebianPackage("chromium", Path("/usr/bin/chromium"), "tests/browser")
NGINX = DebianPackage("nginx", Path("/usr/sbin/nginx"), "tests/integration/test_smuggling.py")
POSTGRESQL = DebianPackage(
    "postgresql-15",
    Path("/usr/lib/postgresql/15/bin/initdb"),
    "tests/integration/test_failover.py",
)
PACKAGES = (CHROMIUM, NGINX, POSTGRESQL)


def require(package: DebianPackage) -> Path:
    """Return the package's program; without it skip the calling test, and in CI fail it.

    CI is told by the environment variable ``CI=true``: there a missing program would turn a
    promise of the project into a skipped line that nobody reads.
    """
    if package.is_installed:
        return package.program
    reason = f"needs {package.program}: apt-get install {package.name}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
