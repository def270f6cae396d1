"""A real Prometheus that scrapes a gate."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.debian import PROMETHEUS, require
from tests.support.ports import free_port
from tests.support.processes import ServerProcess

START_SECONDS = 60.0
_CONFIGURATION = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: {rules}
scrape_configs:
  - job_name: headgate
    static_configs: [{{targets: {targets}}}]
"""


@dataclass(frozen=True)
class PrometheusServer:
    """A running Prometheus."""

    url: str
    process: ServerProcess

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The result of an instant query."""
        asked = urllib.parse.urlencode({"query": expression})
        result: list[dict[str, Any]] = self.get(f"query?{asked}")["result"]
        return result

    def alerts(self, state: str = "firing") -> list[dict[str, Any]]:
        """The alerts in a state."""
        return [each for each in self.get("alerts")["alerts"] if each["state"] == state]

    def exemplars(self, expression: str, start: float, end: float) -> list[dict[str, Any]]:
        """The exemplars of the series of a query, between two times in seconds since the epoch."""
        asked = urllib.parse.urlencode({"query": expression, "start": start, "end": end})
        return [
            each for series in self.get(f"query_exemplars?{asked}") for each in series["exemplars"]
        ]

    def get(self, path: str) -> Any:
        """The data of a response of the API below ``/api/v1/``."""
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}", timeout=30) as response:  # noqa: S310
            return json.load(response)["data"]


@contextmanager
def running_prometheus(
    folder: Path, targets: Sequence[str], rules: Sequence[Path] = ()
) -> Iterator[PrometheusServer]:
    """Run a Prometheus that scrapes ``targets`` (``host:port``) each second until the block ends.

    ``folder`` gets its data, and must be there.
    """
    file = folder / "prometheus.yml"
    file.write_text(
        _CONFIGURATION.format(
            rules=json.dumps([str(each) for each in rules]), targets=json.dumps(list(targets))
        ),
        encoding="utf-8",
    )
    address = f"127.0.0.1:{free_port()}"
    command = [
        str(require(PROMETHEUS)),
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address={address}",
        "--enable-feature=exemplar-storage",
    ]
    with ServerProcess(command, {}, folder, "prometheus") as process:
        made = PrometheusServer(f"http://{address}", process)
        process.wait_until(lambda: _is_ready(made) or None, "Prometheus", START_SECONDS)
        yield made


def _is_ready(server: PrometheusServer) -> bool:
    try:
        with urllib.request.urlopen(f"{server.url}/-/ready", timeout=5) as response:  # noqa: S310
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False
