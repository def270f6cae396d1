"""Programs from Debian that some tests need, and what happens to those tests without them."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class DebianPackage:
    """A package, the program in it that shows whether it is there, and the tests that need it.

    ``services`` are those that Debian starts once the package is installed, and at each boot.
    """

    name: str
    program: Path
    needed_by: str
    services: tuple[str, ...] = ()

    @property
    def is_installed(self) -> bool:
        """Whether the package's program is on this machine."""
        return self.program.exists()


BUBBLEWRAP = DebianPackage("bubblewrap", Path("/usr/bin/bwrap"), "tests/integration/test_image.py")
CHROMIUM = DebianPackage("chromium", Path("/usr/bin/chromium"), "tests/browser")
CURL = DebianPackage("curl", Path("/usr/bin/curl"), "tests/integration/test_upgrade.py")
JQ = DebianPackage("jq", Path("/usr/bin/jq"), "tests/integration/test_prometheus.py")
_FAILOVER = "tests/integration/test_failover.py"
POSTGRESQL = DebianPackage(
    "postgresql-15", Path("/usr/lib/postgresql/15/bin/initdb"), _FAILOVER, ("postgresql",)
)
PGBOUNCER = DebianPackage(
    "pgbouncer",
    Path("/usr/sbin/pgbouncer"),
    "tests/integration/test_two_gates.py",
    ("pgbouncer",),
)
_DNS = f"tests/integration/test_discovery.py and {_FAILOVER}"
POWER_DNS = DebianPackage("pdns-server", Path("/usr/sbin/pdns_server"), _DNS, ("pdns",))
POWER_DNS_SQLITE = DebianPackage(
    "pdns-backend-sqlite3",
    Path("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql"),
    _DNS,
)
UNBOUND = DebianPackage(
    "unbound", Path("/usr/sbin/unbound"), _DNS, ("unbound", "unbound-resolvconf")
)
PROMETHEUS = DebianPackage(
    "prometheus",  # with promtool
    Path("/usr/bin/prometheus"),
    "tests/integration/test_prometheus*.py",
    ("prometheus",),
)
SYSTEMD = DebianPackage(
    "systemd",
    Path("/usr/bin/systemd-socket-activate"),
    "tests/integration/test_service_manager.py and test_systemd_files.py",
)
HAPROXY = DebianPackage(
    "haproxy",
    Path("/usr/sbin/haproxy"),
    "tests/integration/test_creates_under_gate_kills.py and test_proxy_protocol.py",
    ("haproxy",),
)
LOGROTATE = DebianPackage(
    "logrotate", Path("/usr/sbin/logrotate"), "tests/integration/test_log_files.py"
)
NPM = DebianPackage(
    "npm",  # with Node.js; where both come from elsewhere, that is as good
    Path(shutil.which("npm") or "/usr/bin/npm"),
    "tests/integration/test_oidc_provider.py",
)
PACKAGES = (
    BUBBLEWRAP,
    CHROMIUM,
    CURL,
    HAPROXY,
    JQ,
    LOGROTATE,
    NPM,
    PGBOUNCER,
    POSTGRESQL,
    POWER_DNS,
    POWER_DNS_SQLITE,
    PROMETHEUS,
    SYSTEMD,
    UNBOUND,
)


def require(package: DebianPackage) -> Path:
    """Return the package's program; without it skip the calling test, and in CI fail it.

    CI is known by the environment variable ``CI=true``: there a missing program would turn a
    promise of the project into a skipped line that nobody reads.
    """
    if package.is_installed:
        return package.program
    reason = f"needs {package.program}: apt-get install {package.name}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
