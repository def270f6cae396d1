"""Checks what pages tell readers to type: commands of Headgate, targets of make, variables.

``python -m tools.page_commands`` reads all Markdown files that git knows, and prints one line for
each command or option that ``headgate`` does not have, each target that the Makefile does not have,
and each variable ``HEADGATE_…`` that nothing reads; exit code 1 if there is one.  Nothing is run.
"""

from __future__ import annotations

import functools
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from docs.reference_pages import configuration
from headgate.cli import root_command
from headgate.setting_sources import NOT_SETTINGS
from tools.source_files import source_files

ROOT: Final = Path(__file__).parents[1]
# What was released, and what was decided, is not written again when a command changes.
SKIPPED: Final = ("CHANGELOG.md", "docs/adr/")
_FENCE: Final = re.compile(r"^ *```(\w*)[^\n]*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_SHELLS: Final = frozenset({"sh", "bash", "console"})
_INLINE: Final = re.compile(r"`((?:headgate|make) [^`]+)`")
_START: Final = re.compile(
    r"(?:^|[|&;(`]|\$\(|\$ |exec |sudo )\s*(?:\S*/bin/)?((?:headgate|make) .*)"
)
_END: Final = re.compile(r"\s(?:[|<>&;]|\d>|#).*|[)`].*")
_WORD: Final = re.compile(r"[a-z][a-z-]*")
_VARIABLE: Final = re.compile(r"\bHEADGATE_[A-Z][A-Z0-9_]*\b(?!…|\*)")
_TARGET: Final = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)


def problems(files: Iterable[Path], root: Path = ROOT) -> Iterator[str]:
    """One line for each command, target or variable in ``files`` that there is not."""
    for file in files:
        name = file.relative_to(root).as_posix()
        if name.startswith(SKIPPED):
            continue
        text = file.read_text(encoding="utf-8")
        for command in commands(text):
            wrong = problem(command)
            if wrong:
                yield f"{name}: {command}: {wrong}"
        for variable in dict.fromkeys(_VARIABLE.findall(text)):
            if not any(each.fullmatch(variable) for each in _variables()):
                yield f"{name}: {variable}: nothing reads this variable"


def commands(text: str) -> Iterator[str]:
    """The commands of a page that begin with ``headgate`` or ``make``, as they are typed."""
    for fence in _FENCE.finditer(text):
        if fence[1] not in _SHELLS:
            continue
        for line in fence[2].replace("\\\n", " ").splitlines():
            if fence[1] == "console" and not line.lstrip().startswith("$ "):
                continue  # what a command prints
            found = _START.search(line)
            if found:
                yield " ".join(_END.sub("", found[1], count=1).split())
    for inline in _INLINE.finditer(_FENCE.sub("", text)):
        yield _END.sub("", " ".join(inline[1].split()), count=1)


def problem(command: str) -> str | None:
    """What is wrong with a command."""
    try:
        program, *words = shlex.split(command)
    except ValueError:
        return None  # only the beginning of a text that goes on in the next line
    if program == "make":
        return _no_target(words)
    found: Any = root_command()
    while hasattr(found, "commands") and words and _WORD.fullmatch(words[0]):
        inner = found.get_command(None, words[0])
        if inner is None:
            return f"there is no command {words[0]!r}"
        found = inner
        words = words[1:]
    options = {name for each in found.params for name in (*each.opts, *each.secondary_opts)}
    options |= {"--help", "-h", "--version", "--install-completion"}
    for word in words:
        option = word.partition("=")[0]
        if option.startswith("--") and option != "--" and option not in options:
            return f"there is no option {option}"
    return None


def _no_target(words: Sequence[str]) -> str | None:
    targets = set(_TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8")))
    for word in words:
        if _WORD.fullmatch(word) and word not in targets:
            return f"there is no target {word!r}"
    return None


@functools.cache
def _variables() -> list[re.Pattern[str]]:
    """The variables that there are: of settings by their pattern, and names in the sources."""
    names = {variable.split("`")[1] for variable, *_ in configuration.variables()}
    names |= NOT_SETTINGS
    files = source_files(ROOT, (".py", ".toml", ".tf", ".yaml", ".yml", "Dockerfile", "Makefile"))
    for file in files:
        names.update(_VARIABLE.findall(file.read_text(encoding="utf-8")))
    return [re.compile(each.replace("__NAME__", "__[A-Z0-9_]+?__")) for each in names]


def main() -> int:
    """Print what is wrong; the exit code."""
    found = list(problems(source_files(ROOT, (".md",))))
    sys.stdout.writelines(f"{line}\n" for line in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
