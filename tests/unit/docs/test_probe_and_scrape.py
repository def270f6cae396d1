"""The how-to about load balancers, Kubernetes and Prometheus says what the gate does."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from headgate.__main__ import HEALTH_CHECK
from headgate.config import Config
from headgate.control import ops
from headgate.runtime.ops_listener import CONNECTIONS

PAGE = (Path(__file__).parents[3] / "docs/how-to/probe-and-scrape.md").read_text(encoding="utf-8")
PATHS = {path.decode() for path in ops.PAGES}


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def found(value: Any, name: str) -> list[Any]:
    """Every value that a document has under a name, however deep."""
    if isinstance(value, dict):
        own = [value[name]] if name in value else []
        return own + [each for part in value.values() for each in found(part, name)]
    return [each for part in value for each in found(part, name)] if isinstance(value, list) else []


def test_the_configuration_is_one() -> None:
    (block,) = blocks("toml")
    config = Config.model_validate(tomllib.loads(block))
    assert config.ops.address == ("0.0.0.0", 9464)  # noqa: S104
    assert config.ops.hosts == ("headgate.monitoring.svc",)


def test_probes_ask_for_pages_that_there_are() -> None:
    documents = [yaml.safe_load(each) for each in blocks("yaml")]
    probes = found(documents, "httpGet")
    assert len(probes) == 3
    assert {each["path"] for each in probes} <= PATHS
    assert 9464 in found(documents, "containerPort")
    (command,) = blocks("json")
    check, *words = json.loads(command)
    assert (check, words) == ("CMD", ["headgate", *HEALTH_CHECK])


@pytest.mark.parametrize("path", sorted(PATHS))
def test_each_page_has_its_row(path: str) -> None:
    assert f"| `{path}` | " in PAGE
    assert f"`/-{path}`" in PAGE


def test_what_is_refused_is_quoted() -> None:
    (example,) = (each for each in blocks("console") if "livez" in each)
    shown = json.loads(example.splitlines()[-1])
    refusal = ops._OTHER_PAGE.refusal
    assert shown == {"error_code": refusal.reason.error_code, "message": refusal.message}


def test_the_limit_is_named() -> None:
    assert f"keeps\n{CONNECTIONS} connections here" in PAGE
