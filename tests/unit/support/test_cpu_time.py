"""What a test costs is counted with all processes that it has started."""

from __future__ import annotations

import subprocess
import sys

from tests.support.cpu_time import cpu_seconds

WORK = "import time\nwhile time.process_time() < 0.3: pass\nprint(1, flush=True)\ninput()"


def test_a_process_counts_while_it_runs_and_once_it_has_ended() -> None:
    before = cpu_seconds()
    with subprocess.Popen(
        [sys.executable, "-c", WORK], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert cpu_seconds() - before >= 0.25
        child.communicate(b"\n")
    assert cpu_seconds() - before >= 0.25
