"""The programs of PostgreSQL: where they are, and a restore by them in one transaction."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Final, NamedTuple

from headgate.deploy.mlflow.errors import DatabaseError
from headgate.deploy.mlflow.programs import end, last_lines, watched

_DEBIAN: Final = "/usr/lib/postgresql/{major}/bin"
_RED_HAT: Final = "/usr/pgsql-{major}/bin"
_VERSION: Final = re.compile(r"\(PostgreSQL\) (\d+)")

_EMPTY: Final = """
do $empty$
declare
    each record;
begin
    for each in
        select c.relkind, format('%I.%I', n.nspname, c.relname) as name
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = {namespace} and c.relkind in ('r', 'p', 'f', 'v', 'm', 'S')
          and not exists (
              select from pg_depend d where d.objid = c.oid and d.deptype in ('e', 'i', 'a')
                and d.classid = 'pg_class'::regclass)
    loop
        execute format('drop %s if exists %s cascade', case each.relkind
            when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence'
            when 'f' then 'foreign table' else 'table' end, each.name);
    end loop;
    for each in
        select format('%I.%I', n.nspname, t.typname) as name
        from pg_type t join pg_namespace n on n.oid = t.typnamespace
        where n.nspname = {namespace} and t.typtype in ('e', 'd')
          and not exists (
              select from pg_depend d where d.objid = t.oid and d.deptype = 'e'
                and d.classid = 'pg_type'::regclass)
    loop
        execute format('drop type if exists %s cascade', each.name);
    end loop;
    for each in
        select p.oid, p.oid::regprocedure::text as name
        from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where n.nspname = {namespace}
          and not exists (
              select from pg_depend d where d.objid = p.oid and d.deptype = 'e'
                and d.classid = 'pg_proc'::regclass)
    loop
        -- One may be gone with another that it belonged to.
        if exists (select from pg_proc p where p.oid = each.oid) then
            execute format('drop routine %s cascade', each.name);
        end if;
    end loop;
end
$empty$;
"""
"""Drops the tables, views, sequences, types and functions of a namespace but for those of
extensions; also what a migration has made."""


class Tools(NamedTuple):
    """The programs, of one version."""

    dump: Path
    restore: Path
    psql: Path


def find_tools(major: int, folder: Path | None) -> Tools | str:
    """The programs for a server of a major version, or a sentence that says what is missing.

    Those of another major version write what the server does not understand, or do not dump it.
    """
    if folder is not None:
        places = [folder]
    else:
        places = [Path(each.format(major=major)) for each in (_DEBIAN, _RED_HAT)]
        found = shutil.which("pg_dump")
        places += [] if found is None else [Path(found).parent]
    seen = []
    for place in places:
        tools = Tools(place / "pg_dump", place / "pg_restore", place / "psql")
        version = _major(tools.dump)
        if version == major and tools.restore.exists() and tools.psql.exists():
            return tools
        seen += [] if version is None else [f"{tools.dump} is of version {version}"]
    there = "; ".join(seen) or f"there is no pg_dump in {' or '.join(map(str, places))}"
    return (
        f"the server is PostgreSQL {major}, and its pg_dump, pg_restore and psql are not here "
        f"({there}): install postgresql-client-{major}, or name their folder with --pg-bin"
    )


def _major(program: Path) -> int | None:
    try:
        said = subprocess.run(  # noqa: S603 - the operator chooses the folder
            [str(program), "--version"], capture_output=True, text=True, check=True, timeout=10
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    found = _VERSION.search(said)
    return None if found is None else int(found[1])


def restore(
    tools: Tools,
    dump: Path,
    namespace: str,
    address: str,
    variables: Mapping[str, str],
    secret: str,
) -> None:
    """Put a dump in the place of everything that a namespace has, wholly or not at all.

    ``psql`` gets the statements as they come and a COMMIT at the end, when all of them were
    written; if anything breaks off before, it ends without one.

    Args:
        tools: the programs.
        dump: what ``pg_dump`` has written, in its custom format.
        namespace: of MLflow's tables.
        address: of the database, without a password.
        variables: the environment, with the password.
        secret: the password, which is not to be in messages.

    Raises:
        DatabaseError: the database is as it was.
    """
    reading = [str(tools.restore), "--file=-", f"--schema={namespace}", str(dump)]
    writing = [
        *(str(tools.psql), "--no-psqlrc", "--quiet", "--no-password"),
        *("--variable=ON_ERROR_STOP=1", "--output=/dev/null"),
        f"--dbname={address}",
    ]
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as read_said:
        source = _started(watched(reading), variables, read_said, stdout=subprocess.PIPE)
        target = _started(writing, variables, said)
        try:
            complete = _feed(source, target, namespace)
        finally:
            end(source)
            if source.stdout is not None:
                source.stdout.close()
            if target.stdin is not None:
                _close(target.stdin)
            code = target.wait()
        if not complete:
            raise DatabaseError(
                f"the snapshot {dump} could not be restored, and the database is as it was: "
                f"{last_lines(said, secret) or last_lines(read_said, secret)}"
            )
        if code != 0:
            raise DatabaseError(
                f"the snapshot {dump} could not be restored, and the database is as it was: "
                f"{last_lines(said, secret)}"
            )


def _started(
    command: list[str], variables: Mapping[str, str], errors: IO[bytes], stdout: int | None = None
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # noqa: S603 - found by ``find_tools``
            command,
            env=dict(variables),
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=errors,
            start_new_session=True,
        )
    except OSError as error:
        raise DatabaseError(f"{command[0]} cannot be started: {error.strerror}") from None


def _feed(source: subprocess.Popen[bytes], target: subprocess.Popen[bytes], namespace: str) -> bool:
    """Pass everything on; whether it was everything, and the end was written too."""
    if target.stdin is None or source.stdout is None:
        raise RuntimeError("the programs were started without pipes")
    try:
        for part in _statements(source.stdout, namespace):
            target.stdin.write(part)
        if source.wait() != 0:
            return False
        target.stdin.write(b"\ncommit;\n")
        target.stdin.flush()
    except BrokenPipeError:  # psql has stopped at an error
        return False
    return True


def _statements(dump: IO[bytes], namespace: str) -> Iterator[bytes]:
    quoted = "'" + namespace.replace("'", "''") + "'"
    yield b"set client_min_messages = warning;\nset lock_timeout = '30s';\nbegin;\n"
    yield _EMPTY.format(namespace=quoted).encode()
    while part := dump.read(1024 * 1024):
        yield part


def _close(pipe: IO[bytes]) -> None:
    with contextlib.suppress(BrokenPipeError):
        pipe.close()
