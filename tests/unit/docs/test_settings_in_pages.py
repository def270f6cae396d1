"""Settings in pages: the configuration takes each example, and each name is that of a setting."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from docs.reference_pages import configuration
from headgate.config import load
from headgate.errors import ConfigError

ROOT: Final = Path(__file__).parents[3]
PAGES: Final = {
    str(page.relative_to(ROOT)): page.read_text(encoding="utf-8")
    for page in (
        *ROOT.glob("*.md"),
        *sorted((ROOT / "docs").rglob("*.md")),
        *sorted((ROOT / "deploy").rglob("*.md")),
    )
    if page.name != "CHANGELOG.md" and page.parent.name != "adr"
}
MODULES: Final = "docs/reference/glossary.md"
"""Its names with dots are those of Python's modules."""
OF_THE_CHART: Final = "deploy/helm/headgate/README.md"
FILES: Final = re.compile(r"cannot be read: No such file or directory|is no folder; create it")
"""Problems of an example that are the reader's to solve: what it names is not on this machine."""
TLS: Final = 'certificate = "tls.crt"\nkey = "tls.key"\n'
_BLOCK: Final = re.compile(r"^ *```toml\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_NAME: Final = re.compile(r"\[{0,2}([a-z_]+(?:\.[A-Za-z0-9_*-]+)+)\]{0,2}")


def examples() -> Iterator[tuple[str, str]]:
    """Each page with each of its examples."""
    for page, text in PAGES.items():
        for block in _BLOCK.findall(text):
            yield page, textwrap.dedent(block)


def completed(example: str) -> str:
    """The example with what the page had before, or leaves to the reader."""
    if "[listen.tls]\n" in example and "certificate" not in example:
        example = example.replace("[listen.tls]\n", f"[listen.tls]\n{TLS}")
    for name in {"default", *re.findall(r"^\[upstreams\.(\w+)", example, re.MULTILINE)}:
        if f"[upstreams.{name}]\n" not in example:
            example += f'\n[upstreams.{name}]\nurl = "http://mlflow:5000"\n'
            example += "" if name == "default" else f'prefixes = ["/{name}"]\n'
    return example


@pytest.mark.parametrize(("page", "example"), list(examples()))
def test_the_configuration_takes_an_example(page: str, example: str, tmp_path: Path) -> None:
    file = tmp_path / "headgate.toml"
    file.write_text(completed(example), encoding="utf-8")
    try:
        load(file, {})
    except ConfigError as error:
        others = [str(each) for each in error.problems if not FILES.search(str(each))]
        assert others == [], page


def names() -> Iterator[tuple[str, str]]:
    """Each page with each name in it that begins as those of settings do, and has a dot."""
    settings = (setting.strip("`") for _, setting, *_ in configuration.variables())
    tops = {each.partition(".")[0] for each in settings if "." in each}
    for page, text in PAGES.items():
        if page in (MODULES, OF_THE_CHART):
            continue
        for code in re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
            found = _NAME.fullmatch(code.partition(" = ")[0])
            if found and found[1].partition(".")[0] in tops:
                yield page, found[1]


def test_the_names_of_settings_are_right() -> None:
    known = [
        re.compile(re.escape(name).replace("NAME", r"[A-Za-z0-9_*-]+")) for name in all_settings()
    ]
    found = list(names())
    assert len(found) > 300
    assert [each for each in found if not any(one.fullmatch(each[1]) for one in known)] == []


def all_settings() -> set[str]:
    """Each setting, the tables that hold them, and ``TABLE.*``."""
    settings = set(re.findall(r"^\| `([^`]+)` \|", configuration.page(), re.M))
    settings |= set(re.findall(r"^## `\[+([^\]`]+)\]+`$", configuration.page(), re.M))
    tables = {name.rpartition(".")[0] for name in settings if "." in name}
    return settings | tables | {f"{table}.*" for table in tables}
