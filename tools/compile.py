"""Compiles modules to machine code with mypyc; ``hatch_build.py`` runs it, in the folder ``src``.

    python tools/compile.py CONFIGURATION FOLDER MODULE...

compiles each MODULE, a path below the working directory, by the settings for mypy in the file
CONFIGURATION.  The shared libraries are in FOLDER/made then, at the places of their modules.
``HEADGATE_COMPILE_LEVEL`` is how hard the C compiler optimises, 3 unless it is set; with 0, a
build for tests alone takes a fraction of the time.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from mypyc.build import mypycify
from setuptools import setup

# mypyc indents what it writes ever further; gcc's look at the indentation of that one file of a
# hundred megabytes takes three minutes, four times as long as all the rest, and says nothing.
_QUIET = "-Wno-misleading-indentation"


def main(configuration: str, folder: str, modules: Sequence[str]) -> None:
    """Compile ``modules`` together, so that they call each other without a detour."""
    level = os.environ.get("HEADGATE_COMPILE_LEVEL", "3")
    extensions = mypycify(
        [f"--config-file={configuration}", f"--cache-dir={folder}/types", *modules],
        opt_level=level,
        debug_level="1" if level == "3" else "0",
        group_name="headgate",
        target_dir=f"{folder}/c",
    )
    for extension in extensions:
        extension.extra_compile_args.append(_QUIET)
    options = [f"--build-lib={folder}/made", f"--build-temp={folder}/objects"]
    setup(name="headgate", packages=[], ext_modules=extensions, script_args=["build_ext", *options])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
