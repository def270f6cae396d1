"""No two tests are given one port, and the kernel gives it to nobody either."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ports import free_port, reserve

ROOT = Path(__file__).parents[3]
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
PROGRAM = """
import sys
from tests.support.ports import free_port, reserve
print(reserve(int(sys.argv[1])), free_port(), flush=True)
sys.stdin.read()
"""


def test_no_port_is_given_twice() -> None:
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == len(ports)


@pytest.mark.skipif(sys.platform != "linux", reason="the names are a feature of Linux")
def test_a_port_of_one_process_is_not_given_to_another() -> None:
    """And it is free again when that has ended."""
    ours = free_port()
    command = [sys.executable, "-c", PROGRAM, str(ours)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        refused, theirs = other.stdout.readline().split()
        assert refused == "False"
        assert not reserve(int(theirs))
        other.communicate()
    assert reserve(int(theirs))


@pytest.mark.skipif(not EPHEMERAL.exists(), reason="other systems have other ranges")
def test_the_kernel_gives_it_to_no_connection() -> None:
    lowest = int(EPHEMERAL.read_text().split()[0])
    assert free_port() < lowest
