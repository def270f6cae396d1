"""Load by wrk: many small requests on kept connections."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.peers.launch import HOST
from bench.setting import CannotMeasureError
from tests.support.debian import DebianPackage

PACKAGE = DebianPackage("wrk", Path("/usr/bin/wrk"), "make bench")
_SCRIPT = Path(__file__).parent / "peers" / "wrk.lua"
_RESULT = re.compile(r"^RESULT (\d+) (\d+) (\d+) (\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Load:
    """What wrk did: how many requests in how many seconds."""

    requests: int
    seconds: float

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


def run(
    kind: str,
    port: int,
    key: str,
    *,
    connections: int,
    seconds: int,
    environment: Mapping[str, str] | None = None,
    scheme: str = "http",
) -> Load:
    """Send requests of ``kind`` (see ``peers/wrk.lua``) with one thread of wrk.

    ``environment``: what further variables tell the script.

    Raises:
        CannotMeasureError: there is no wrk, a response was not 2xx, or a connection failed.
    """
    command = [str(PACKAGE.program), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s"]
    command += ["-s", str(_SCRIPT), f"{scheme}://{HOST}:{port}", "--", kind]
    if not PACKAGE.is_installed:
        raise CannotMeasureError(f"needs wrk: apt-get install {PACKAGE.name}")
    done = subprocess.run(  # noqa: S603 - our own command
        command,
        env={"BENCH_KEY": key, **(environment or {})},
        check=False,
        capture_output=True,
        text=True,
        timeout=seconds + 60,
    )
    found = _RESULT.search(done.stdout)
    if found is None:
        raise CannotMeasureError(f"wrk failed: {done.stderr.strip() or done.stdout.strip()}")
    requests, microseconds, refused, broken = map(int, found.groups())
    if refused or broken or not requests:
        raise CannotMeasureError(
            f"of {requests} requests {refused} were refused and {broken} broke off"
        )
    return Load(requests, microseconds / 1e6)
