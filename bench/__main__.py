"""``python -m bench``: all benchmarks; ``python -m bench memory --help``: that one's options."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

from rich.console import Console

from bench import memory, run
from bench.result import Result

# Each takes options of its own.
BENCHMARKS: Mapping[str, Callable[[Sequence[str]], Result]] = {
    "memory": memory.run,
}


def main(arguments: Sequence[str]) -> int:
    """Run what was asked for; the exit code is 1 when a target was missed, 2 for bad usage."""
    if arguments and arguments[0] in BENCHMARKS:
        result = BENCHMARKS[arguments[0]](arguments[1:])
        result.show(Console())
        return 0 if result.is_met else 1
    return run.main(arguments, BENCHMARKS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
