"""Runs a server, and lets it serve on for some seconds after SIGTERM.

    python3 serve_until_unused.py SECONDS COMMAND [ARGUMENT …]

ECS sends SIGTERM as soon as a task is deregistered from Cloud Map, while clients still know its
address until the TTL of the record ends.  A server that closes its listener at once refuses their
connections.  So the signal is passed on only after SECONDS; SIGINT is passed on at once.

The signal goes to the whole process group: `mlflow server` starts the real server as a child, and
would end without it.  This program ends when all of the group have.  Its exit code is that of
COMMAND; 128 + N if signal N ended it, as a shell has it, but 0 if that was the SIGTERM passed on.
"""

import os
import signal
import subprocess
import sys
import threading
import time


def main(arguments):
    seconds, command = float(arguments[0]), arguments[1:]
    asked_to_stop = threading.Event()
    hurried = threading.Event()

    def hurry(*_):
        hurried.set()
        asked_to_stop.set()

    signal.signal(signal.SIGTERM, lambda *_: asked_to_stop.set())
    signal.signal(signal.SIGINT, hurry)
    server = subprocess.Popen(command, start_new_session=True)

    def stop():
        asked_to_stop.wait()
        if not hurried.is_set():
            say(f"SIGTERM: serving on for {seconds:g} s, until clients use other tasks")
            hurried.wait(seconds)
        say("stopping the server")
        send(server.pid, signal.SIGTERM)

    threading.Thread(target=stop, daemon=True).start()
    code = server.wait()
    stopped = asked_to_stop.is_set()
    if not stopped:  # it failed by itself: nobody needs what it has left
        send(server.pid, signal.SIGTERM)
    while send(server.pid, 0):
        time.sleep(0.1)
    if code < 0:
        return 0 if stopped and code == -signal.SIGTERM else 128 - code
    return code


def send(group, number):
    """Send a signal to a process group; whether anybody is left there."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


def say(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
