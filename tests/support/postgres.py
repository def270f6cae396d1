"""A PostgreSQL server of its own, as several gates or several MLflow servers share one."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlencode

from tests.support.certificates import Certificate
from tests.support.debian import PGBOUNCER, POSTGRESQL, require
from tests.support.patience import patience
from tests.support.ports import free_port
from tests.support.processes import ServerProcess

START_SECONDS = 60.0
HOST = "127.0.0.1"
_USER = "postgres"  # Debian's package makes it; the server refuses to run as root
_ACCESS = """\
local all all trust
host all postgres samehost trust
host all postgres 127.0.0.0/8 trust
host replication all samehost trust
host all all samehost scram-sha-256
"""


@contextmanager
def running_postgres(folder: Path) -> Iterator[str]:
    """Run a server until the block ends; yields SQLAlchemy's URL of a database of it.

    Its data is in a folder of its own; what it logs is in ``folder``.
    """
    with postgres_server(folder) as server:
        yield f"postgresql+psycopg2://{_USER}@{HOST}:{server.port}/{_USER}"


@contextmanager
def postgres_server(
    folder: Path, certificate: Certificate | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[PostgresServer]:
    """Run a server until the block ends that may be stopped, started and held meanwhile.

    Its data is in a folder of its own; what it logs is in ``folder``.  With a ``certificate`` it
    offers TLS.  ``settings`` are further ones, such as ``{"log_connections": "on"}``.
    """
    binaries = require(POSTGRESQL).parent
    with _own_folder() as data:
        _initialise(binaries, data)
        (data / "pg_hba.conf").write_text(_ACCESS, encoding="utf-8")
        options = dict(settings or {}) | (_tls(data, certificate) if certificate else {})
        with PostgresServer(binaries, data, folder, options) as server:
            yield server


class PostgresServer:
    """One server, on the same port and with the same data however often it is started.

    The user ``postgres`` needs no password, any other does.
    """

    def __init__(
        self,
        binaries: Path,
        data: Path,
        folder: Path,
        settings: Mapping[str, str],
        name: str = "postgres",
    ) -> None:
        self._name = name
        self.port = free_port()
        self.data = data
        self._binaries = binaries
        self._folder = folder
        self._settings = settings
        self._process: ServerProcess | None = None

    def url(
        self, database: str, user: str = _USER, password: str = "", host: str = HOST, **options: str
    ) -> str:
        """The URL of a database, as a gate is given it; ``options`` are libpq's."""
        who = quote(user) + (f":{quote(password, safe='')}" if password else "")
        query = f"?{urlencode(options)}" if options else ""
        return f"postgresql://{who}@{host}:{self.port}/{quote(database)}{query}"

    def execute(self, statement: str, database: str = _USER) -> str:
        """Let the owner of the server execute SQL; returns the rows, fields separated by ``|``.

        Raises:
            AssertionError: it fails.
        """
        command = [
            *(str(self._binaries / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"),
            *("-h", str(self.data), "-p", str(self.port), "-U", _USER, "-d", database),
            *("-c", statement),
        ]
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=patience(60)
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def create_database(self, name: str, owner: str = _USER) -> str:
        """Make an empty database; returns its name."""
        self.execute(f'CREATE DATABASE "{name}" OWNER "{owner}"')
        return name

    def dump(self, database: str) -> bytes:
        """A backup of a database, to put back with ``restore``."""
        command = [*self._tool("pg_dump"), "-Fc", database]
        return subprocess.run(command, check=True, capture_output=True, timeout=patience(60)).stdout

    def restore(self, database: str, backup: bytes) -> None:
        """Put a backup in the place of everything that a database has, in one transaction."""
        command = [*self._tool("pg_restore"), "--clean", "--if-exists", "-1", "-d", database]
        subprocess.run(command, input=backup, check=True, capture_output=True, timeout=patience(60))

    def start(self) -> None:
        """Start the server, and wait until it takes connections; nothing if it runs already."""
        if self._process is not None:
            return
        command = [
            *(*_as_server(), str(self._binaries / "postgres"), "-D", str(self.data)),
            *("-p", str(self.port), "-k", str(self.data), "-h", HOST),
            *("-c", "fsync=off", "-c", "max_connections=200"),
            *(part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")),
        ]
        self._process = ServerProcess(command, {}, self._folder, self._name)
        self._process.wait_for_line("ready to accept (read-only )?connections", START_SECONDS)

    def stop(self) -> None:
        """End the server and all connections to it without a word, as a machine that fails does."""
        if self._process is not None:
            self.thaw()
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                os.kill(self._pid(), signal.SIGQUIT)
                self._process.wait(START_SECONDS)
            self._process.stop()
            self._process = None

    def freeze(self) -> None:
        """Let the server hang: it keeps its connections and responds to nothing."""
        pid = self._pid()
        for each in (pid, *_children(pid)):
            os.kill(each, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a server that hangs go on."""
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            pid = self._pid()
            for each in (*_children(pid), pid):
                os.kill(each, signal.SIGCONT)
            if self._process is not None:  # runuser stops when what it runs does
                self._process.signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _pid(self) -> int:
        return int((self.data / "postmaster.pid").read_text(encoding="utf-8").split()[0])

    def _tool(self, name: str) -> list[str]:
        at = ("-h", str(self.data), "-p", str(self.port), "-U", _USER)
        return [str(self._binaries / name), *at]


@contextmanager
def standby_of(server: PostgresServer, folder: Path) -> Iterator[PostgresServer]:
    """Run a hot standby of a server until the block ends: it can be read and not written."""
    binaries = require(POSTGRESQL).parent
    with _own_folder() as data:
        copy = [
            "-h",
            HOST,
            "-p",
            str(server.port),
            "-U",
            _USER,
            "-D",
            str(data),
            "-R",
            "-X",
            "s",
            "-c",
            "fast",
        ]
        command = [*_as_server(), str(binaries / "pg_basebackup"), *copy]
        subprocess.run(command, check=True, capture_output=True, cwd="/", timeout=patience(60))
        settings = {"hot_standby": "on"}
        with PostgresServer(binaries, data, folder, settings, "standby") as standby:
            yield standby


@dataclass(frozen=True)
class Bouncer:
    """A PgBouncer in front of a server."""

    port: int
    process: ServerProcess

    def url(self, database: str) -> str:
        """The URL of a database of the server behind it."""
        return f"postgresql://{_USER}@{HOST}:{self.port}/{database}"


@contextmanager
def running_pgbouncer(server: PostgresServer, folder: Path) -> Iterator[Bouncer]:
    """Run PgBouncer until the block ends: it pools transactions, two connections at most."""
    program = require(PGBOUNCER)
    port = free_port()
    with _own_folder() as home:
        configuration = home / "pgbouncer.ini"
        configuration.write_text(
            f"[databases]\n* = host={HOST} port={server.port} user={_USER}\n"
            f"[pgbouncer]\nlisten_addr = {HOST}\nlisten_port = {port}\nunix_socket_dir =\n"
            "auth_type = any\npool_mode = transaction\ndefault_pool_size = 2\n"
            # By default it refuses everybody for 15 s once the server was down.
            "server_login_retry = 1\n",
            encoding="utf-8",
        )
        configuration.chmod(0o644)
        command = [*_as_server(), str(program), str(configuration)]
        with ServerProcess(command, {}, folder, "pgbouncer") as process:
            process.wait_for_line("process up", START_SECONDS)
            yield Bouncer(port, process)


@contextmanager
def _own_folder() -> Iterator[Path]:
    """A folder of the server's user: pytest's are closed to every other user."""
    with tempfile.TemporaryDirectory(prefix="headgate-postgres-") as name:
        if os.geteuid() == 0:
            shutil.chown(name, _USER)
        yield Path(name)


def _as_server() -> Sequence[str]:
    return ["runuser", "-u", _USER, "--"] if os.geteuid() == 0 else []


def _initialise(binaries: Path, data: Path) -> None:
    command = [*_as_server(), str(binaries / "initdb"), "-D", str(data), "-U", _USER, "-A", "trust"]
    options = ("--no-sync", "--encoding", "UTF8", "--locale", "C.UTF-8")
    subprocess.run([*command, *options], check=True, capture_output=True, cwd="/")


def _tls(data: Path, certificate: Certificate) -> dict[str, str]:
    found = {"ssl": "on"}
    for setting, source in (
        ("ssl_cert_file", certificate.certificate),
        ("ssl_key_file", certificate.key),
    ):
        copy = data / setting
        shutil.copy(source, copy)
        copy.chmod(0o600)
        if os.geteuid() == 0:
            shutil.chown(copy, _USER)
        found[setting] = str(copy)
    return found


def _children(parent: int) -> list[int]:
    found: list[int] = []
    for thread in Path(f"/proc/{parent}/task").iterdir():
        found += map(int, (thread / "children").read_text(encoding="utf-8").split())
    return found
