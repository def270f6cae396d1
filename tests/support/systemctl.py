#!/usr/bin/env python3
"""A stand-in for ``systemctl`` with one unit: a program of its own, in the place of systemd.

``systemctl start|stop|reset-failed UNIT`` and ``systemctl show UNIT --property=…``.  Beside the
program is the folder ``unit`` with ``command`` and ``environment`` of the unit as JSON, and what
there is of the process that runs.  The unit is not restarted when it ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(sys.argv[0]).absolute().parent / "unit"
STOP_SECONDS = 90.0
# The shell is the main process; it notes how the unit ended, since nobody waits for it.
RUN = """
trap : TERM
"$@" & child=$!
wait $child; code=$?
while kill -0 $child 2>/dev/null; do wait $child; code=$?; done
echo $code > ended
"""


def main(verb: str, unit: str, *_options: str) -> int:
    """Do what is asked."""
    if unit != FOLDER.with_name("name").read_text(encoding="utf-8").strip():
        if verb == "show":
            sys.stdout.write("LoadState=not-found\nActiveState=inactive\n")
            return 0
        sys.stderr.write(f"Unit {unit} not found.\n")
        return 5
    {"start": start, "stop": stop, "show": show, "reset-failed": reset}[verb]()
    return 0


def start() -> None:
    """Start the unit; nothing if it runs."""
    if running():
        return
    reset()
    command = json.loads((FOLDER / "command").read_text(encoding="utf-8"))
    with (FOLDER / "log").open("ab") as log:
        process = subprocess.Popen(
            ["/bin/sh", "-c", RUN, "unit", *command],
            cwd=FOLDER,
            env=json.loads((FOLDER / "environment").read_text(encoding="utf-8")),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    (FOLDER / "pid").write_text(str(process.pid), encoding="utf-8")


def stop() -> None:
    """Let every process of the unit end, and wait for it."""
    pid = running()
    if not pid:
        return
    os.killpg(pid, signal.SIGTERM)
    until = time.monotonic() + STOP_SECONDS
    while members(pid):
        if time.monotonic() > until:
            os.killpg(pid, signal.SIGKILL)
        time.sleep(0.05)  # noqa: TID251 - a program of its own
    reset()


def reset() -> None:
    """Forget how the unit ended."""
    if not running():
        for name in ("pid", "ended"):
            (FOLDER / name).unlink(missing_ok=True)


def show() -> None:
    """Print how the unit stands."""
    pid = running()
    ended = _text("ended")
    if pid:
        state = ("active", "running", "success")
    elif ended in {"", "0", "143"}:
        state = ("inactive", "dead", "success")
    else:
        state = ("failed", "failed", "exit-code")
    sys.stdout.write(
        f"LoadState=loaded\nActiveState={state[0]}\nSubState={state[1]}\nResult={state[2]}\n"
        f"MainPID={pid}\nControlGroup=\nNRestarts=0\n"
    )


def running() -> int:
    """The main process; 0 if there is none."""
    pid = int(_text("pid") or "0")
    return pid if pid and pid in members(pid) else 0


def members(group: int) -> list[int]:
    """The processes of a group that have not ended."""
    found = []
    for each in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _parent, pgrp, *_ = each.read_text(encoding="ascii").rpartition(")")[2].split()
            if int(pgrp) == group and state not in "ZX":
                found.append(int(each.parent.name))
    return found


def _text(name: str) -> str:
    with contextlib.suppress(FileNotFoundError):
        return (FOLDER / name).read_text(encoding="utf-8").strip()
    return ""


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
