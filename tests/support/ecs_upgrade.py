"""MLflow in the stand-in for ECS, upgraded by an operator while its clients work."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from headgate.deploy.mlflow.ecs_names import ABSENT
from headgate.testing.ecs import Image
from tests.support.debian import POSTGRESQL, require
from tests.support.ecs import CLUSTER, Deployed, deployed, mlflow_image
from tests.support.maintenance import NEW, OLD, Told
from tests.support.maintenance_load import MaintenanceLoad, clients_at, maintenance_load
from tests.support.maintenance_record import record
from tests.support.maintenance_unit import FAILING_MIGRATION
from tests.support.mlflow_versions import python_with
from tests.support.processes import clean_environment
from tests.support.shipped_tasks import MLFLOW

SPEED: Final = 10.0
"""Seconds of the model in a real one: a park of 4 minutes is real time."""
BROKEN: Final = f"{NEW}-broken"
"""The tag of an image whose migration fails when some of its steps have been committed."""
DEAF: Final = f"{NEW}-deaf"
"""The tag of one whose server ends as soon as it starts."""
UNFIT: Final = f"{NEW}-unfit"
"""The tag of one that serves, and takes no artifacts."""
_HEAD: Final = "SELECT version_num FROM alembic_version"
COMMAND_SECONDS: Final = 1800.0


def further_images(folder: Path) -> dict[str, Image]:
    """MLflow to upgrade from and to, and versions that are no good, each in its way."""
    broken = _made(folder / BROKEN)
    (broken / "sitecustomize.py").write_text(FAILING_MIGRATION, encoding="utf-8")
    program = shlex.quote(str(python_with(NEW).parent / "mlflow"))
    served = f'exec {program} "$@" --no-serve-artifacts'
    return {
        f"{MLFLOW}:{OLD}": mlflow_image(OLD),
        f"{MLFLOW}:{BROKEN}": mlflow_image(NEW, PYTHONPATH=str(broken)),
        f"{MLFLOW}:{DEAF}": _with_program(folder / DEAF, 'echo "no memory"; exit 3'),
        f"{MLFLOW}:{UNFIT}": _with_program(folder / UNFIT, served),
    }


def _with_program(folder: Path, script: str) -> Image:
    """An image in which ``mlflow`` is a shell's script; Python finds MLflow as usual."""
    program = _made(folder) / "mlflow"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    path = f"{folder}{os.pathsep}{mlflow_image(NEW).environment['PATH']}"
    return mlflow_image(NEW, PATH=path)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@dataclass(frozen=True)
class EcsUpgrade:
    """What Terraform deploys, and the operator's machine."""

    scene: Deployed
    folder: Path
    old_head: str

    def command(self, name: str, *arguments: str) -> Told:
        """``headgate mlflow`` with the options of the page, as the operator runs it."""
        url_file = self.folder / "mlflow-database-url"
        url_file.write_text(f"{self.scene.server.url(MLFLOW)}\n", encoding="utf-8")
        size = () if name in {"plan", "status"} else ("--verify-size", "64KiB")
        done = subprocess.run(
            [
                *(sys.executable, "-m", "headgate", "mlflow", name, *arguments, *size),
                *("--cluster", CLUSTER, "--service", MLFLOW, "--url", f"{self.scene.url}/mlflow"),
                *("--database-url-file", str(url_file), "--state", str(self.state)),
                *("--pg-bin", str(require(POSTGRESQL).parent), "--json"),
            ],
            env=clean_environment()
            | self.scene.plane.environment
            | {"MLFLOW_TRACKING_TOKEN": self.scene.key},
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        return Told(done.returncode, done.stdout, done.stderr)

    def prepare(self) -> None:
        """Let resolvers forget soon that MLflow's name has no address, as the page says."""
        client = self.scene.plane.client("servicediscovery")
        (namespace,) = client.list_namespaces()["Namespaces"]
        wanted = {"Properties": {"DnsProperties": {"SOA": {"TTL": ABSENT}}}}
        client.update_private_dns_namespace(Id=namespace["Id"], Namespace=wanted)

    @property
    def state(self) -> Path:
        """The folder of the journal and the snapshots."""
        return self.folder / "state"

    def head(self) -> str:
        """The schema that MLflow's database has."""
        return self.scene.server.execute(_HEAD, MLFLOW)

    def ask(self, path: str) -> Any:
        """What a gate's admin API says, through the load balancer."""
        request = urllib.request.Request(  # noqa: S310 - the scene's own
            f"{self.scene.url}/-/api/v1{path}",
            headers={"Authorization": f"Bearer {self.scene.key}"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
            return json.loads(response.read())

    def serves(self, tag: str, *, migrated: bool) -> None:
        """One version serves, on a database that belongs to it, and nothing is left behind.

        Raises:
            AssertionError: that is not so.
        """
        assert self.scene.running(self.scene.mlflow) == {tag}
        assert (self.head() != self.old_head) is migrated
        assert self.journal["in_progress"] is None
        assert self.ask("/upstreams/default")["park"] is None
        left = [each.family for each in self.scene.plane.tasks.all if each.status != "STOPPED"]
        assert f"{MLFLOW}-migration" not in left
        tags = {each["key"] for each in self.scene.mlflow.tags}
        assert "headgate:mlflow-desired" not in tags

    @property
    def journal(self) -> Mapping[str, Any]:
        """What the journal says."""
        found: Mapping[str, Any] = json.loads(
            (self.state / "journal.json").read_text(encoding="utf-8")
        )
        return found


@contextmanager
def ecs_upgrade(folder: Path) -> Iterator[EcsUpgrade]:
    """Run the scene with the old version until the block ends."""
    made = further_images(_made(folder / "images"))
    with deployed(folder, speed=SPEED, made=made, first=OLD, negative_ttl=ABSENT) as scene:
        yield EcsUpgrade(scene, folder, scene.server.execute(_HEAD, MLFLOW))


@contextmanager
def unnoticed(
    it: EcsUpgrade, name: str, case: str, capture: pytest.CaptureFixture[str]
) -> Iterator[MaintenanceLoad]:
    """Run clients of both versions until the block ends; nothing fails, is lost or is doubled.

    The figures are recorded as those of ``case``, if that is wanted.

    Raises:
        AssertionError: something has, or is.
    """
    url, key = f"{it.scene.url}/mlflow", it.scene.key
    clients = clients_at([url], key, name, (NEW, OLD))
    with maintenance_load(it.folder / name, clients) as load:
        yield load
        load.go_on()
        verdict = load.verdict(url, key)
    with capture.disabled():
        print(f"\nECS, {case}: {verdict}")  # noqa: T201 - figures for a person
    record(f"{case}, in the stand-in for ECS", "postgresql", verdict)
    verdict.assert_unnoticed()
