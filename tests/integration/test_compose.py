"""The compose file: what its containers may do, and the scripts that it runs.

No container is started, since that needs a Docker daemon.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from headgate.config import load
from headgate.stores import identity_store_location
from tests.support.dockerfile import stages
from tests.support.postgres import postgres_server
from tests.support.processes import clean_environment
from tools import compiled

FOLDER = compiled.ROOT / "deploy" / "compose"
TEXT = (FOLDER / "compose.yaml").read_text(encoding="utf-8")
FILE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, Any] = FILE["services"]
SECRETS = "/run/secrets/"


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compose") / "secrets"
    make_secrets(folder)
    return folder


def make_secrets(folder: Path) -> str:
    program = f"{sys.executable} -m headgate"
    done = subprocess.run(
        ["sh", FOLDER / "make-secrets.sh", folder],
        env=clean_environment() | {"HEADGATE": program},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("name", SERVICES)
def test_no_container_can_do_more_than_it_has_to(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["healthcheck"]
    assert not {"privileged", "network_mode", "pid", "devices"} & set(service)


def test_only_the_gate_can_be_reached_from_outside() -> None:
    assert [name for name, each in SERVICES.items() if "ports" in each] == ["gate"]
    assert all("expose" not in each for each in SERVICES.values())
    default = re.search(r":-([0-9.]+):8080\}", SERVICES["gate"]["ports"][0])
    assert default is not None
    assert default[1] == "127.0.0.1"
    outside = {name for name, each in FILE["networks"].items() if not each.get("internal")}
    assert [name for name, each in SERVICES.items() if outside & set(each["networks"])] == ["gate"]


def test_mlflow_is_reached_by_the_gate_and_its_database_alone() -> None:
    networks = set(SERVICES["mlflow"]["networks"])
    near = {name for name, each in SERVICES.items() if networks & set(each["networks"])}
    assert near == {"gate", "mlflow", "database"}


def test_secrets_are_files_of_those_who_need_them() -> None:
    declared = set(FILE["secrets"])
    used = {each for service in SERVICES.values() for each in service.get("secrets", ())}
    assert used == declared
    for name, service in SERVICES.items():
        named = set(re.findall(rf"{SECRETS}([a-z0-9-]+)", str(service)))
        assert named <= set(service.get("secrets", ())), name
    script = (FOLDER / "database" / "create-databases.sh").read_text(encoding="utf-8")
    assert "$name-database-password" in script
    assert "PASSWORD: " not in TEXT


def test_what_is_named_exists() -> None:
    for service in SERVICES.values():
        assert set(service["networks"]) <= set(FILE["networks"])
        assert set(service.get("depends_on", {})) <= set(SERVICES)
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in FILE["volumes"] or (FOLDER / source).exists(), source
    assert (FOLDER / SERVICES["gate"]["build"]["context"] / "Dockerfile").samefile(
        compiled.ROOT / "Dockerfile"
    )
    assert (FOLDER / SERVICES["mlflow"]["build"]["context"] / "Dockerfile").exists()
    for name, argument in re.findall(r"(\w+_IMAGE): \$\{(\w+_IMAGE):\?", TEXT):
        assert name == argument


def test_volumes_of_the_images_are_volumes_here() -> None:
    """Else a read-only container could not write there, or would lose it when it is replaced."""
    final = stages(compiled.ROOT / "Dockerfile")[-1]
    gate = SERVICES["gate"]
    places = {each.split(":")[1] for each in gate["volumes"]}
    places |= {each.split(":")[0] for each in gate["tmpfs"]}
    assert set(final.words("VOLUME")) == places
    assert gate["healthcheck"]["test"] == ["CMD", *final.health_check]


def test_the_gate_takes_these_settings(secrets: Path) -> None:
    variables = {
        name: value.replace(SECRETS, f"{secrets}/")
        for name, value in SERVICES["gate"]["environment"].items()
    }
    image = stages(compiled.ROOT / "Dockerfile")[-1].environment
    config = load(None, image | variables)
    assert config.upstreams["default"].url == "http://mlflow:5000"
    assert identity_store_location(config) == "postgresql://database/headgate"
    assert config.auth.first_key is not None
    assert config.listen.lame_duck + config.listen.drain_timeout < 75
    assert SERVICES["gate"]["stop_grace_period"] == "75s"


def test_secrets_are_made_once_and_only_their_owner_can_look_for_them(secrets: Path) -> None:
    assert secrets.stat().st_mode & 0o777 == 0o700
    assert (secrets / "first-key").stat().st_mode & 0o777 == 0o600
    made = {each.name: each.read_text() for each in secrets.iterdir()}
    assert set(made) == {*FILE["secrets"], "first-key"}
    passwords = [text for name, text in made.items() if name.endswith("-password")]
    assert len(set(passwords)) == 3
    assert all(re.fullmatch(r"[0-9a-f]{48}", each) for each in passwords)
    with pytest.raises(subprocess.CalledProcessError) as again:
        make_secrets(secrets)
    assert "has secrets already" in again.value.stderr
    assert {each.name: each.read_text() for each in secrets.iterdir()} == made


def test_each_database_has_an_owner_and_lets_in_nobody_else(secrets: Path, tmp_path: Path) -> None:
    """The script of PostgreSQL's image, run against a real server."""
    psql = shutil.which("psql")
    if psql is None:
        pytest.skip("needs psql: apt-get install postgresql-client")
    with postgres_server(tmp_path) as server:
        subprocess.run(
            ["sh", FOLDER / "database" / "create-databases.sh"],
            env=os.environ
            | {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "SECRETS": str(secrets)},
            check=True,
        )
        for user, database, works in (
            ("headgate", "headgate", True),
            ("mlflow", "mlflow", True),
            ("headgate", "mlflow", False),
            ("mlflow", "headgate", False),
        ):
            password = (secrets / f"{user}-database-password").read_text()
            done = subprocess.run(
                [psql, server.url(database, user, password), "-c", "CREATE TABLE t (n integer)"],
                capture_output=True,
                text=True,
                check=False,
            )
            assert (done.returncode == 0) is works, done.stderr
        file = tmp_path / "url"
        url = (secrets / "headgate-database-url").read_text()
        file.write_text(url.replace("@database/", f"@127.0.0.1:{server.port}/"))
        for command in ("upgrade", "check"):
            subprocess.run(
                [sys.executable, "-m", "headgate", "db", command],
                env=clean_environment() | {"HEADGATE_AUTH__DATABASE_URL_FILE": str(file)},
                check=True,
                capture_output=True,
            )
