"""The stand-in for ECS, started and asked as its page shows it."""

from __future__ import annotations

import shlex
import signal
import sys
from pathlib import Path

import pytest

from tests.support.messages_of_pages import shows
from tests.support.page_scripts import code, run
from tests.support.processes import ServerProcess

PAGE = "explanation/ecs-stand-in.md"
START_SECONDS = 120.0

pytestmark = pytest.mark.first  # moto takes a while to start


def test_the_page_does_as_it_says(tmp_path: Path) -> None:
    started, asked = code(PAGE, "console", "Try it")
    command, _, printed = started.partition("\n")
    _, *arguments = shlex.split(command.removeprefix("$ "))
    with ServerProcess([sys.executable, *arguments], {}, tmp_path, "ecs") as process:

        def variables() -> str | None:
            text = process.output.read_text("utf-8")
            return text if "# images:" in text and text.endswith("\n") else None

        lines = process.wait_until(variables, "the variables", START_SECONDS)
        assert shows(" ".join(printed.split("\n")), lines)
        command, _, printed = asked.partition("\n")
        script = f"{lines}\n{command.removeprefix('$ .venv/bin/')}"
        assert shows(" ".join(printed.split("\n")), run(script, tmp_path))
        process.signal(signal.SIGINT)
        assert process.wait(START_SECONDS) == 0
