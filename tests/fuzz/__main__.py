"""``python -m tests.fuzz [--runs N] [--seed S]``: search until the runs are used up."""

from __future__ import annotations

import argparse
import sys
import traceback

from tests.fuzz.fuzzer import fuzz


def main() -> int:
    """Fuzz every target; the status is 1 when something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000, help="inputs for each target")
    parser.add_argument("--seed", type=int, default=0, help="another seed tries other inputs")
    options = parser.parse_args()
    found = 0
    for defect in fuzz(options.runs, options.seed):
        found += 1
        traceback.print_exception(defect.error)
        sys.stdout.write(f"{defect.target}: {defect.data!r}\nkept in {defect.keep()}\n")
    sys.stdout.write(f"{options.runs} inputs for each target, {found} defects\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
