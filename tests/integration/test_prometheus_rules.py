"""Prometheus' own tool takes the rules, and each alert fires when it should and not near that."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import yaml

from tests.support.debian import PROMETHEUS, require
from tests.support.patience import patience

ROOT = Path(__file__).parents[2]
FILES = ROOT / "deploy" / "observability"
PAGE = ROOT / "docs" / "how-to" / "scrape-with-prometheus.md"
SECONDS = 240.0


def run(folder: Path, *command: str | Path) -> str:
    """What a command says; it must end well."""
    done = subprocess.run(
        command,
        cwd=folder,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=patience(SECONDS),
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def promtool() -> Path:
    """The program."""
    return require(PROMETHEUS).with_name("promtool")


def blocks(language: str) -> list[str]:
    """The blocks of code on the page, in order."""
    text = PAGE.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_the_rules_are_rules() -> None:
    run(FILES, promtool(), "check", "rules", "--lint=all", "--lint-fatal", "prometheus-rules.yml")


def test_each_alert_fires_when_it_should_and_not_near_that() -> None:
    run(FILES, promtool(), "test", "rules", "prometheus-rules.test.yml")


def test_prometheus_takes_the_configurations_on_the_page(tmp_path: Path) -> None:
    shutil.copy(FILES / "prometheus-rules.yml", tmp_path)
    configurations = [each for each in blocks("yaml") if "scrape_configs" in each]
    assert len(configurations) == 2
    for text in configurations:
        (tmp_path / "prometheus.yml").write_text(text, encoding="utf-8")
        # That the file with the key is there is not asked of this machine.
        run(tmp_path, promtool(), "check", "config", "--syntax-only", "prometheus.yml")
    assert all(yaml.safe_load(each) for each in blocks("yaml"))


def test_alerts_can_be_made_to_link_the_runbook(tmp_path: Path) -> None:
    shutil.copy(FILES / "prometheus-rules.yml", tmp_path)
    (command,) = (each for each in blocks("sh") if each.startswith("sed"))
    run(tmp_path, "bash", "-c", command)
    run(tmp_path, promtool(), "check", "rules", "prometheus-rules.yml")
    changed = (tmp_path / "prometheus-rules.yml").read_text(encoding="utf-8")
    assert "runbook: " not in changed
    links = re.findall(r"runbook_url: (.*)", changed)
    assert links
    assert all(each.startswith("https://wiki.example.com/headgate/docs/how-to/") for each in links)


def test_wheels_bring_the_files_where_the_page_says() -> None:
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert '"deploy/observability" = "share/headgate/observability"' in settings
    (command,) = (each for each in blocks("sh") if each.startswith("python3"))
    assert run(ROOT, "bash", "-c", command).rstrip().endswith("/share/headgate/observability")
