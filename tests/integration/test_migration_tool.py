"""MLflow's own migration tool, ``mlflow-export-import``: what it does through the gate.

It asks by GET with a JSON body, and finds its key in ``~/.netrc``.  ``make test-clients`` runs it.
The wheel of 1.2.0 has no ``copy-model-version``: that makes the same requests as the two commands
here, one after the other.
"""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.gate import Gate
from tests.support.mlflow_server import MlflowServer
from tests.support.mlflow_versions import TOOL, python_with
from tests.support.processes import clean_environment

pytestmark = pytest.mark.clients

STORY = Path(__file__).parents[1] / "support" / "migration_story.py"
SECONDS = 600
# The tool takes the source of a version, which is an address, for a file of its own machine.
LOOKS_FOR_NO_FILE = """
import os.path
exists = os.path.exists
os.path.exists = lambda path: str(path).startswith("mlflow-artifacts:") or exists(path)
from mlflow_export_import.model.import_model import main
main()
"""
_CHANGING = re.compile(r"[0-9a-f]{32}|(?<=/)\d+(?=/)")  # the ids of runs and experiments


@dataclass(frozen=True)
class Bench:
    """Where the tool runs: a home of its own, and the server that it is given."""

    home: Path
    uri: str

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        settings = {
            "HOME": str(self.home),
            "MLFLOW_TRACKING_URI": self.uri,
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
            "GIT_PYTHON_REFRESH": "quiet",
        }
        return subprocess.run(
            [python_with(TOOL), *arguments],
            cwd=self.home,
            env=clean_environment() | settings,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def done(self, *arguments: str | Path) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        return done.stdout

    def export(self, name: str) -> dict[str, bytes]:
        """Make a model and export it; the files of the export, by names that do not change."""
        self.done(STORY, "make", name)
        folder = self.home / "exported"
        module = "mlflow_export_import.model.export_model"
        self.done("-m", module, "--model", name, "--output-dir", folder)
        return {
            _CHANGING.sub("ID", str(file.relative_to(folder))): file.read_bytes()
            for file in folder.rglob("*")
            if file.is_file()
        }

    def import_arguments(self, name: str) -> tuple[str | Path, ...]:
        folder = self.home / "exported"
        target = ("--model", name, "--experiment-name", f"{name}-target")
        return ("--input-dir", folder, *target, "--sleep-time", "0")


@pytest.fixture
def benches(
    tmp_path: Path, gate: Gate, key: str, mlflow_server: MlflowServer
) -> tuple[Bench, Bench]:
    """Without the gate, and through it."""
    for name in ("bare", "gated"):
        (tmp_path / name).mkdir()
    netrc = tmp_path / "gated" / ".netrc"
    netrc.write_text(f"machine 127.0.0.1\nlogin anybody\npassword {key}\n")
    netrc.chmod(0o600)
    return Bench(tmp_path / "bare", mlflow_server.url), Bench(tmp_path / "gated", gate.url)


def exported(bench: Bench, name: str) -> object:
    """What an export holds that does not differ from one time to the next."""
    files = bench.export(name)
    model = json.loads(files["model.json"])["mlflow"]["registered_model"]
    run = json.loads(files["ID/run.json"])["mlflow"]
    (version,) = model["versions"]
    tags = {tag: text for tag, text in run["tags"].items() if not tag.startswith("mlflow.")}
    said = [model["tags"], model["description"], _CHANGING.sub("ID", version["source"])]
    held = {
        file: _CHANGING.sub("ID", text.decode())
        for file, text in files.items()
        if "artifacts" in file
    }
    metrics = {name: [each["value"] for each in run["metrics"][name]] for name in run["metrics"]}
    return [*said, run["params"], metrics, tags, held]


@pytest.mark.timeout(4 * SECONDS)
def test_a_model_is_exported_and_imported(benches: tuple[Bench, Bench]) -> None:
    """As without the gate, down to the step at which the tool itself gives up."""
    bare, gated = benches
    first, second = exported(bare, "moves-bare"), exported(gated, "moves-gated")
    assert first == second
    assert "model/data/weights.txt" in str(second)

    module = "mlflow_export_import.model.import_model"
    ends = []
    for bench in benches:
        stopped = bench.run("-m", module, *bench.import_arguments(f"{bench.home.name}-stopped"))
        # import_model.py, _import_version: os.path.exists of an address, before any request for
        # the version.  Its run, with parameters, metrics, tags and files, has been imported.
        assert "Imported run into" in stopped.stdout, stopped.stderr[-4000:]
        ends.append(_CHANGING.sub("ID", stopped.stderr.splitlines()[-1]))
    assert ends[0] == ends[1]
    assert "'source' argument for MLflowClient.create_model_version does not exist" in ends[1]


@pytest.mark.timeout(4 * SECONDS)
def test_a_version_is_imported_whose_source_has_an_empty_segment(
    benches: tuple[Bench, Bench],
) -> None:
    """With the tool's own look for a file passed, it asks for ``…/artifacts//ID/…``."""
    seen = []
    for bench in benches:
        name = f"{bench.home.name}-imported"
        bench.export(f"{bench.home.name}-whole")
        bench.done("-c", LOOKS_FOR_NO_FILE, *bench.import_arguments(name))
        shown = bench.done(STORY, "show", name).splitlines()[-1]
        seen.append(_CHANGING.sub("ID", shown))
    assert seen[0] == seen[1]
    assert "artifacts//ID/RUN/artifacts/model" in seen[1], seen[1]
    assert "model/MLmodel" in seen[1]
