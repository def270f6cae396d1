"""What ``headgate mlflow upgrade`` refuses: the command itself, with what is wrong caused for real.

Each ends with one sentence and its exit code, and neither database, unit, journal nor park is
touched.  MLflow itself does not run: everything here is found before it would be asked.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from headgate.deploy.mlflow.folder import LocalFolder
from headgate.deploy.outcome import ExitCode
from tests.support.debian import POSTGRESQL, require
from tests.support.gate import Gate, create_key, running_gate
from tests.support.ports import free_port
from tests.support.postgres import PostgresServer, postgres_server
from tests.support.processes import clean_environment

OLD: Final = ("3.14.0", ("a", "b"))
NEW: Final = ("3.17.2", ("a", "b", "c", "d"))
OLDER: Final = ("3.10.1", ("a",))
SYSTEMCTL: Final = """#!/bin/sh
echo "$@" >> {log}
[ "$1" = show ] && printf 'LoadState=loaded\\nActiveState=inactive\\nSubState=dead\\nMainPID=0\\n'
exit 0
"""
SECONDS: Final = 120.0
TABLE: Final = "create table alembic_version (version_num varchar(32))"
ROW: Final = "insert into alembic_version values ('b')"


@dataclass(frozen=True)
class Site:
    """A gate, a unit that does not run, and both kinds of databases.

    Attributes:
        systemctl: the folder of a stand-in, which writes down what it is asked.
    """

    gate: Gate
    key: str
    folder: Path
    server: PostgresServer
    versions: Path
    systemctl: Path

    @property
    def postgresql(self) -> str:
        """The URL of MLflow's database there."""
        return self.server.url("mlflow")

    @property
    def sqlite(self) -> str:
        """Likewise."""
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    def upgrade(
        self, *arguments: str, url: str = "", state: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """``headgate mlflow upgrade`` to the new version, unless ``arguments`` say otherwise."""
        return subprocess.run(
            [
                *(sys.executable, "-m", "headgate", "mlflow", "upgrade", "--to", NEW[0]),
                *("--unit", "mlflow.service", "--current", str(self.versions / "current")),
                *("--mlflow-url", f"http://127.0.0.1:{free_port()}"),
                *("--url", f"{self.gate.url}/mlflow", "--state", str(state or self.state)),
                *arguments,
            ],
            env=clean_environment()
            | {
                "HEADGATE_API_KEY": self.key,
                "MLFLOW_BACKEND_STORE_URI": url or self.sqlite,
                "PATH": f"{self.systemctl}{os.pathsep}{os.environ['PATH']}",
            },
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    @property
    def state(self) -> Path:
        """The folder of the journal."""
        return self.folder / "state"

    def assert_untouched(self) -> None:
        """Nothing was begun."""
        asked = (self.systemctl / "log").read_text(encoding="utf-8").split("\n")
        assert not [each for each in asked if each and not each.startswith("show ")]
        assert os.readlink(self.versions / "current") == OLD[0]
        found = self.gate.ask("GET", "/-/api/v1/upstreams/default", key=self.key)
        assert json.loads(found.body)["park"] is None
        assert not list(self.state.glob("mlflow-*"))


def made(folder: Path, version: tuple[str, tuple[str, ...]], name: str = "") -> Path:
    """An environment whose interpreter says that it has this version and these revisions."""
    number, revisions = version
    chain = dict(zip(revisions, (None, *revisions), strict=False))
    said = json.dumps({"number": number, "revisions": chain})
    python = folder / (name or number) / "bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\necho '{said}'\n", encoding="utf-8")
    python.chmod(0o755)
    return python.parent.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("refusals")
    versions, systemctl = folder / "versions", folder / "bin"
    for each in (OLD, NEW, OLDER):
        made(versions, each)
    (versions / "current").symlink_to(OLD[0])
    systemctl.mkdir()
    (systemctl / "log").touch()
    program = systemctl / "systemctl"
    program.write_text(SYSTEMCTL.format(log=systemctl / "log"), encoding="utf-8")
    program.chmod(0o755)
    with closing(sqlite3.connect(folder / "mlflow.db")) as database, database:
        database.execute(TABLE)
        database.execute(ROW)
    key = create_key(folder / "gate/data", "admin", ("admin",))
    with (
        postgres_server(folder) as server,
        running_gate(folder / "gate", f"http://127.0.0.1:{free_port()}") as gate,
    ):
        server.create_database("mlflow")
        server.execute(TABLE, "mlflow")
        server.execute(ROW, "mlflow")
        server.create_database("another")
        yield Site(gate, key, folder, server, versions, systemctl)


def refused(
    site: Site,
    done: subprocess.CompletedProcess[str],
    words: str,
    code: ExitCode = ExitCode.NOTHING_DONE,
) -> None:
    """One sentence, its exit code, and nothing was done."""
    assert done.returncode == code, (done.stdout, done.stderr)
    said = done.stderr if code is ExitCode.NOTHING_DONE else done.stdout
    assert words in " ".join(said.split()), said
    assert "Traceback" not in done.stdout + done.stderr
    if code is ExitCode.NOTHING_DONE:
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    site.assert_untouched()


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (OLD[0], "MLflow 3.14.0 is what runs already"),
        ("3.99.9", "there is no MLflow 3.99.9 in"),
        (OLDER[0], "which MLflow 3.10.1 does not know: its own is a, so it is older"),
    ],
)
def test_a_version_that_one_cannot_upgrade_to(site: Site, wanted: str, words: str) -> None:
    refused(site, site.upgrade("--to", wanted), words)


def test_a_new_version_without_an_interpreter(site: Site) -> None:
    """Its link leads nowhere since Python was upgraded; and one to which nothing was installed."""
    python = site.versions / "dangling/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to("/nowhere/python3.9")
    refused(site, site.upgrade("--to", "dangling"), "there is no MLflow dangling in")
    empty = made(site.versions, ("", ()), "empty")
    refused(site, site.upgrade("--to", str(empty)), "has no MLflow; install one with:")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (lambda site: site.server.url("missing"), 'database "missing" does not exist'),
        (lambda site: site.server.url("mlflow", "nobody", "secret"), "cannot be asked"),
        (lambda _: f"postgresql://u:secret@127.0.0.1:{free_port()}/mlflow", "cannot be asked"),
        (lambda site: site.server.url("another"), "is not a database of MLflow"),
        (lambda site: f"sqlite:///{site.folder}/none.db", "unable to open database file"),
        (lambda _: "mysql://u:secret@db/mlflow", "only PostgreSQL and SQLite"),
    ],
    ids=["no database", "no role", "no server", "not MLflow's", "no file", "not supported"],
)
def test_a_wrong_url_of_the_database(site: Site, url: Callable[[Site], str], words: str) -> None:
    done = site.upgrade(url=url(site))
    refused(site, done, words)
    assert "secret" not in done.stderr


def test_programs_of_postgresql_that_are_missing_or_older(site: Site, tmp_path: Path) -> None:
    refused(
        site,
        site.upgrade("--pg-bin", str(tmp_path), url=site.postgresql),
        f"there is no pg_dump in {tmp_path}",
    )
    for name in ("pg_dump", "pg_restore", "psql"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) 11.22'\n")
        (tmp_path / name).chmod(0o755)
    refused(
        site,
        site.upgrade("--pg-bin", str(tmp_path), url=site.postgresql),
        f"{tmp_path}/pg_dump is of version 11",
    )
    (tmp_path / "psql").unlink()
    for name in ("pg_dump", "pg_restore"):
        shutil.copy(require(POSTGRESQL).parent / name, tmp_path / name)
    refused(
        site,
        site.upgrade("--pg-bin", str(tmp_path), url=site.postgresql),
        "its pg_dump, pg_restore and psql are not here",
    )


def test_two_operators(site: Site) -> None:
    """The lock is the other command's until it ends; the park is until it is ended."""
    other = LocalFolder(site.state)
    assert other.acquire("bob@vm (process 7)") is None
    try:
        refused(
            site, site.upgrade(), "nothing was done: bob@vm (process 7) is upgrading", ExitCode.BUSY
        )
    finally:
        other.release()
    park = {"seconds": 60, "sentence": "backup"}
    called(site, "park", park)
    try:
        done = site.upgrade()
        assert done.returncode == ExitCode.BUSY, (done.stdout, done.stderr)
        assert "the upstream is parked already, by" in " ".join(done.stdout.split())
    finally:
        called(site, "unpark", {})
    site.assert_untouched()


def called(site: Site, path: str, message: dict[str, object]) -> None:
    """Ask the admin API for a success."""
    response = site.gate.ask(
        "POST",
        f"/-/api/v1/upstreams/default/{path}",
        "Content-Type: application/json",
        key=site.key,
        body=json.dumps(message).encode(),
    )
    assert response.status == 200, response


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "cannot be read (Expecting property name"),
        ("[]", "an object was expected, not list"),
        (
            '{"format": 2, "in_progress": null, "last": null, "measured": []}',
            "it has format 2, and this Headgate knows 1: use the version of Headgate that wrote it",
        ),
    ],
    ids=["corrupt", "not a journal", "newer"],
)
def test_a_journal_that_is_not_understood(
    site: Site, tmp_path: Path, text: str, words: str
) -> None:
    """It may name the only way back, so it is never replaced."""
    (tmp_path / "journal.json").write_text(text, encoding="utf-8")
    refused(site, site.upgrade(state=tmp_path), words)
    assert (tmp_path / "journal.json").read_text(encoding="utf-8") == text


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """A file system of its own."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "headgate-test", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], timeout=30, check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_no_disk_for_the_snapshot_or_for_the_journal(site: Site, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk, "16k"):  # a page is the lock's
        (disk / "data").write_bytes(b"x" * 4096)
        refused(site, site.upgrade(state=disk), "a snapshot needs up to")
        (disk / "full").write_bytes(b"x" * 4096)
        refused(site, site.upgrade(state=disk), f"the folder {disk} cannot be used: No space left")


def test_a_folder_that_cannot_be_written(site: Site) -> None:
    """``/proc`` takes no folder of anybody's."""
    refused(site, site.upgrade(state=Path("/proc/headgate")), "choose another with --state")


@pytest.mark.long  # the command waits for it for half a minute
def test_an_mlflow_that_does_not_work_before(site: Site) -> None:
    """It does not run here, and a failure could not be told from one of the new version."""
    done = site.upgrade()
    assert done.returncode == ExitCode.NOTHING_DONE
    assert "what runs now does not pass verification" in done.stderr
    site.assert_untouched()
