"""What the figures of a run depend on: the machine, and the versions of the programs."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from bench import wrk
from bench.peers import envoy, programs
from tests.support import debian
from tests.support.nginx import nginx_program

_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)?")
_PACKAGES = ("headgate", "uvloop", "httptools", "starlette", "httpx", "uvicorn")


def processor() -> str:
    """The name of the processor, as the kernel gives it."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def system() -> str:
    """The kernel and its version."""
    return f"{platform.system()} {platform.release().partition('-')[0]}"


def cores() -> Sequence[int]:
    """The cores that may be used."""
    return sorted(os.sched_getaffinity(0))


def load() -> float:
    """How many processes have wanted a core in the last minute, on average."""
    return os.getloadavg()[0]


def versions() -> dict[str, str]:
    """The version of each program and package that is here, by name."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    asked = {
        "nginx": (str(nginx_program()), "-v"),
        "nginx-debian": (str(programs.NGINX_PACKAGE.program), "-v"),
        "envoy": (str(envoy.program()), "--version"),
        "haproxy": (str(debian.HAPROXY.program), "-v"),
        "caddy": (str(programs.CADDY_PACKAGE.program), "version"),
        "wrk": (str(wrk.PACKAGE.program), "-v"),
    }
    for name, command in asked.items():
        if version := _told(command):
            found[name] = version
    return found


def _told(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - one of our own commands
            command, check=False, capture_output=True, text=True, timeout=10
        )
    except OSError:
        return ""
    said = (done.stdout + done.stderr).replace(command[0], "")  # its folder has a version too
    match = _VERSION.search(said)
    return match[0] if match else ""
