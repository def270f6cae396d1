"""Images with a gate in them: good ones, and some that do not serve."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from typing import Final

from headgate.testing.ecs.runner import Image

GATE: Final = (sys.executable, "-m", "headgate")
"""What ``headgate`` stands for in an image: that of this interpreter."""
REPOSITORY: Final = "headgate"


def gate_images(command: Sequence[str] = GATE, **environment: str) -> dict[str, Image]:
    """Those that a scene of deployments has, by their names: two good gates, and two that fail.

    ``environment`` is that of the good ones.
    """
    good = gate_image(command, **environment)
    return {
        f"{REPOSITORY}:1.0": good,
        f"{REPOSITORY}:1.1": good,
        f"{REPOSITORY}:crashes": _serving_otherwise(command, "exit 3"),
        f"{REPOSITORY}:hangs": _serving_otherwise(command, "exec sleep 3600"),
    }


def gate_image(command: Sequence[str] = GATE, **environment: str) -> Image:
    """An image with a gate in it that serves; ``command`` is what ``headgate`` stands for."""
    return Image(
        command=("headgate",),
        arguments=("serve",),
        programs={"headgate": tuple(command)},
        environment=environment,
    )


def _serving_otherwise(command: Sequence[str], instead: str) -> Image:
    """A gate in which a shell does something in place of ``serve``; all other commands work.

    The shell is what ``headgate`` stands for, so that the entry point of a task definition leads
    there, too.
    """
    script = f'[ "$1" = serve ] && {instead}; exec {shlex.join(command)} "$@"'
    shell = ("/bin/sh", "-c", script, "headgate")
    return Image(
        command=("headgate",), arguments=("serve",), programs={"headgate": shell}, port=None
    )
