"""What the kernel tells of the processes of a session is read rightly."""

from __future__ import annotations

import os
import subprocess
import sys

from bench.processes import cpu_by_process, usage

# Works until 0.3 s of CPU time are used up in a thread that then ends, and says so.
BUSY = """
import sys, threading, time
def work():
    while time.process_time() < 0.3:
        pass
thread = threading.Thread(target=work)
thread.start()
thread.join()
print("done", flush=True)
sys.stdin.read()
"""


def test_cpu_time_and_memory_of_a_session() -> None:
    """Threads that have ended count; other sessions do not."""
    with subprocess.Popen(
        [sys.executable, "-c", BUSY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = usage(process.pid)
        by_process = cpu_by_process(process.pid)
        process.communicate()
    assert found.processes == 1
    assert list(by_process) == [process.pid]
    assert 0.3 <= found.cpu <= by_process[process.pid]
    assert 0.0 <= found.kernel < found.cpu
    assert 1_000_000 < found.resident <= found.peak


def test_a_session_that_does_not_exist_uses_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""], start_new_session=True) as process:
        process.wait()
    assert usage(process.pid).processes == 0
    assert cpu_by_process(process.pid) == {}


def test_this_process_is_in_its_session() -> None:
    assert os.getpid() in cpu_by_process(os.getsid(0))
