"""``python -m bench [NAME [OPTIONS]]``: one benchmark with its options, or all of them without."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

from rich.console import Console

from bench import memory
from bench.result import Result

BENCHMARKS: Mapping[str, Callable[[Sequence[str]], Result]] = {
    "memory": memory.run,
}


def main(arguments: Sequence[str]) -> int:
    """Run what was asked for; the exit code is 1 when a target was missed, 2 for no such name."""
    chosen = [arguments[0]] if arguments else list(BENCHMARKS)
    if not BENCHMARKS.keys() >= set(chosen):
        names = ", ".join(BENCHMARKS)
        sys.stderr.write(f"usage: python -m bench [NAME [OPTIONS]]; names: {names}\n")
        return 2
    console = Console()
    met = True
    for name in chosen:
        result = BENCHMARKS[name](arguments[1:])
        result.show(console)
        met &= result.is_met
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
