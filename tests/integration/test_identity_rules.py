"""The rules for principals and keys where several processes change one PostgreSQL database."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from headgate.auth.keys.form import KeyForm, form_of
from headgate.config import Config
from headgate.config.auth import Auth, KeyRules
from headgate.identity import (
    Actor,
    Administration,
    IdentityError,
    KeyFilter,
    NewKey,
    NewPrincipal,
)
from headgate.policy import Roles
from headgate.stores import open_identity_store
from tests.support.postgres import postgres_server
from tests.support.processes import clean_environment

SEVERAL = 4
OPERATOR = Actor.operator("tests")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Config]:
    """Names a database with the present schema."""
    folder = tmp_path_factory.mktemp("postgres")
    file = folder / "url"
    with postgres_server(folder) as server:
        file.write_text(server.url(server.create_database("identity")))
        config = Config(data=folder / "data", auth=Auth(database_url_file=file))
        assert headgate(config, "db", "upgrade").returncode == 0
        yield config


def headgate(config: Config, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command on the database."""
    environment = {
        **clean_environment(),
        "HEADGATE_DATA": str(config.data),
        "HEADGATE_AUTH__DATABASE_URL_FILE": str(config.auth.database_url_file),
    }
    return subprocess.run(
        [sys.executable, "-m", "headgate", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def document(config: Config, *arguments: str) -> dict[str, Any]:
    done = headgate(config, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def together(config: Config, act: Callable[[Administration], object]) -> list[object]:
    """What several processes' worth of stores get that do the same at the same time."""
    barrier = threading.Barrier(SEVERAL)

    def one() -> object:
        with open_identity_store(config) as store:
            do = Administration(store, Roles(), KeyRules(), time.time)
            do.principals(OPERATOR)  # connected
            barrier.wait()
            try:
                return act(do)
            except IdentityError as error:
                return error

    with ThreadPoolExecutor(SEVERAL) as pool:
        return [each.result() for each in [pool.submit(one) for _ in range(SEVERAL)]]


def test_the_commands_work_on_a_database(config: Config) -> None:
    created = headgate(config, "keys", "create", "shell", "--narrow", "read:runs")
    assert form_of(created.stdout.strip()) is KeyForm.WELL_FORMED, created.stderr
    rotated = document(config, "keys", "rotate", "shell")
    assert rotated["key"]["narrowing"] == ["read:runs"]
    assert headgate(config, "principals", "disable", "shell").returncode == 0
    states = [
        each["state"] for each in document(config, "keys", "list", "--principal", "shell")["keys"]
    ]
    assert states == ["disabled", "disabled"]
    missing = headgate(config, "keys", "show", "shel")
    assert missing.returncode == 2
    assert missing.stderr == (
        "headgate: no key has the name 'shel'; did you mean 'shell'? 'headgate keys list' shows "
        "them all\n"
    )


def test_one_of_several_gets_a_name(config: Config) -> None:
    results = together(config, lambda do: do.create_key(OPERATOR, NewKey("race")).key.id)
    assert sum(isinstance(each, str) for each in results) == 1
    others = [str(each) for each in results if isinstance(each, IdentityError)]
    assert all("has the name 'race' already" in each for each in others)
    results = together(config, lambda do: do.create_principal(OPERATOR, NewPrincipal("race 2")).id)
    assert sum(isinstance(each, str) for each in results) == 1


def test_a_key_is_replaced_by_one_of_several(config: Config) -> None:
    with open_identity_store(config) as store:
        do = Administration(store, Roles(), KeyRules(), time.time)
        old = do.create_key(OPERATOR, NewKey("turn")).key.id
        results = together(config, lambda do: do.rotate_key(OPERATOR, old).key.id)
        assert sum(isinstance(each, str) for each in results) == 1
        keys = do.keys(OPERATOR, KeyFilter(principal="turn")).keys
        assert [each.replaces for each in keys] == ["", old]


def test_a_command_without_a_database_says_so_in_one_line(config: Config, tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("postgresql://gate@127.0.0.1:9/keys?sslmode=disable")
    away = config.model_copy(update={"auth": Auth(database_url_file=file)})
    for arguments in (("keys", "create", "x"), ("principals", "list")):
        done = headgate(away, *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert done.stderr.startswith("headgate: ")
