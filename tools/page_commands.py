"""Checks what pages tell readers to type: commands of Headgate, targets of make, variables.

``python -m tools.page_commands`` reads all Markdown files that git knows, and prints one line for
each command that ``headgate`` would refuse to parse, each target that the Makefile does not have,
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

import typer

from docs.reference_pages import configuration
from headgate.cli import root_command
from headgate.setting_sources import NOT_SETTINGS
from tools.source_files import source_files

ROOT: Final = Path(__file__).parents[1]
# What was released, and what was decided, is not written again when a command changes.
EVERYWHERE: Final = frozenset({"--help", "-h", "--version", "--install-completion"})
SKIPPED: Final = ("CHANGELOG.md", "docs/adr/")
_FENCE: Final = re.compile(r"^ *```(\w*)[^\n]*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_SHELLS: Final = frozenset({"sh", "bash", "console"})
_INLINE: Final = re.compile(r"`((?:headgate|make) [^`]+)`")
_START: Final = re.compile(
    r"(?:^|[|&;(`]|\$\(|\$ |exec |sudo )\s*"
    r"(?:[A-Z_]+=(?:\"?\$\([^)]*\)\"?|\S*) )*"  # variables for this command alone
    r"(?:\S*/bin/)?((?:headgate|make) .*)"
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
        found = [(each, problem(each)) for each in typed(text)]
        found += [(each, problem(each, whole=False)) for each in mentioned(text)]
        yield from (f"{name}: {command}: {wrong}" for command, wrong in found if wrong)
        for variable in dict.fromkeys(_VARIABLE.findall(text)):
            if not any(each.fullmatch(variable) for each in _variables()):
                yield f"{name}: {variable}: nothing reads this variable"


def typed(text: str) -> Iterator[str]:
    """The commands of a page's blocks that begin with ``headgate`` or ``make``."""
    for fence in _FENCE.finditer(text):
        if fence[1] not in _SHELLS:
            continue
        for line in fence[2].replace("\\\n", " ").splitlines():
            if fence[1] == "console" and not line.lstrip().startswith("$ "):
                continue  # what a command prints
            found = _START.search(line)
            if found:
                yield " ".join(_END.sub("", found[1], count=1).split())


def mentioned(text: str) -> Iterator[str]:
    """The commands that a page's sentences name, often only by their beginning."""
    for inline in _INLINE.finditer(_FENCE.sub("", text)):
        yield _END.sub("", " ".join(inline[1].split()), count=1)


def problem(command: str, *, whole: bool = True) -> str | None:
    """What is wrong with a command; ``whole`` if nothing that it needs is left out."""
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
    return _unparsable(found, words, whole=whole)


def _unparsable(command: Any, words: Sequence[str], *, whole: bool) -> str | None:
    """Why a command refuses what follows its name, by its own parser."""
    words = [each for each in words if each not in EVERYWHERE]
    try:
        values, surplus, _ = command.make_parser(typer.Context(command)).parse_args(words)
    except typer.TyperException as error:
        # `headgate up --log-format` in a sentence names the option, without its value.
        return str(error) if whole or "No such option" in str(error) else None
    if surplus and not hasattr(command, "commands"):
        return f"it takes no {surplus[0]!r}"
    missing = [
        each.name
        for each in command.params
        if each.required and not each.envvar and values.get(each.name) is None
    ]
    return f"{', '.join(missing)} missing" if missing and whole else None


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
