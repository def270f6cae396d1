"""Reads the last stage of a Dockerfile, so that a test runs what the file says."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Stage:
    """A stage of a Dockerfile: its instructions, and what the last of each kind says."""

    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def last(self, name: str) -> str:
        """The arguments of the last instruction called ``name``."""
        return next(text for found, text in reversed(self.instructions) if found == name)

    def words(self, name: str) -> list[str]:
        """The words of an instruction in exec form."""
        words = json.loads(self.last(name))
        assert isinstance(words, list), f"{name} is not in exec form"
        return words

    @property
    def environment(self) -> dict[str, str]:
        """All variables of ``ENV``."""
        texts = [text for name, text in self.instructions if name == "ENV"]
        pairs = (each.partition("=") for text in texts for each in shlex.split(text))
        return {name: value for name, _, value in pairs}

    @property
    def user(self) -> tuple[int, int]:
        """The numbers of user and group."""
        uid, gid = self.last("USER").split(":")
        return int(uid), int(gid)

    @property
    def health_check(self) -> list[str]:
        """The command of ``HEALTHCHECK``."""
        command = json.loads(self.last("HEALTHCHECK").partition(" CMD ")[2])
        assert isinstance(command, list)
        return command


def stages(file: Path) -> list[Stage]:
    """All stages of a Dockerfile."""
    found: list[Stage] = []
    for name, text in _instructions(file.read_text(encoding="utf-8")):
        if name == "FROM":
            found.append(Stage(text))
        elif found:
            found[-1].instructions.append((name, text))
    return found


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        name, _, rest = line.strip().partition(" ")
        if name:
            yield name.upper(), " ".join(rest.split())


def isolated(
    stage: Stage, opt: Path, volumes: dict[str, Path], environment: dict[str, str]
) -> Sequence[str]:
    """The command, to be followed by another, that runs it as a container of ``stage`` would.

    The root file system is this machine's, read-only, with ``opt`` as ``/opt/headgate``; each of
    the ``volumes`` can be written.  It has the stage's user, directory and variables, and no others
    but ``environment``.
    """
    uid, gid = stage.user
    command = ["bwrap", "--die-with-parent", "--unshare-user", "--unshare-pid", "--unshare-ipc"]
    command += ["--uid", str(uid), "--gid", str(gid), "--cap-drop", "ALL", "--clearenv"]
    command += ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    for parent, inside, source in (
        ("/opt", ["headgate"], opt),
        *(
            (str(Path(place).parent), [Path(place).name], source)
            for place, source in volumes.items()
            if not Path(place).exists()
        ),
    ):
        command += ["--tmpfs", parent]
        kept = [each.name for each in Path(parent).iterdir() if each.name not in inside]
        for each in sorted(kept):
            command += ["--ro-bind-try", f"{parent}/{each}", f"{parent}/{each}"]
        writes = "--ro-bind" if source is opt else "--bind"
        command += [writes, str(source), f"{parent}/{inside[0]}", "--remount-ro", parent]
    for place, source in volumes.items():
        if Path(place).exists():
            command += ["--bind", str(source), place]
    for name, value in {**stage.environment, **environment}.items():
        command += ["--setenv", name, value]
    return [*command, "--chdir", stage.last("WORKDIR"), "--"]
