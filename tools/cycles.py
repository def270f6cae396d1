"""Finds modules that import each other in a circle, within a package too and for types alone.

``python -m tools.cycles`` prints each circle; exit code 1 if there is one.  Layers between packages
are the contracts of import-linter, in ``pyproject.toml``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

import grimp

PACKAGES = ("headgate", "headgate_verify")


def imports_of(packages: Sequence[str]) -> dict[str, set[str]]:
    """What each module of the packages imports of them, ``TYPE_CHECKING`` blocks included."""
    graph = grimp.build_graph(*packages, exclude_type_checking_imports=False, cache_dir=None)
    return {each: set(graph.find_modules_directly_imported_by(each)) for each in graph.modules}


def circles(imports: Mapping[str, set[str]]) -> Iterator[list[str]]:
    """Circles that together hold every import that has to go; none if there is no circle."""
    left = {module: set(imported) for module, imported in imports.items()}
    while True:
        try:
            TopologicalSorter(left).prepare()
        except CycleError as error:
            # The exception names, behind its message, each module before the one that imports it.
            circle: list[str] = error.args[1][::-1]
            yield circle
            left[circle[0]].discard(circle[1])
        else:
            return


def main() -> int:
    """Print the circles; the exit code."""
    found = list(circles(imports_of(PACKAGES)))
    for circle in found:
        sys.stdout.write(f"imports in a circle: {' -> '.join(circle)}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
