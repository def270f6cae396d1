"""The URL of a PostgreSQL database, from where the configuration has it, and what is made of it.

The password is in the parameters for psycopg alone: no error, log line or ``repr`` has it.
"""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from headgate.errors import HeadgateError

LONGEST: Final = 16_384  # bytes of the file
CONNECT_SECONDS: Final = 5

_DEFAULTS: Final[Mapping[str, str]] = {
    "connect_timeout": str(CONNECT_SECONDS),
    "application_name": "headgate",
    "gssencmode": "disable",
    # A peer that is gone without a word is noticed within half a minute.
    "keepalives": "1",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",  # milliseconds
}
_SCHEME: Final = re.compile(r"postgres(ql)?(\+psycopg)?://")
_HOST: Final = re.compile(r"[0-9A-Za-z._:%-]*|[/@][\w./@-]*")
_PORT: Final = re.compile(r"[0-9]{0,5}")
_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, Amazon Linux
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # macOS, BSD
)


@dataclass(frozen=True, slots=True)
class UrlFile:
    """A file with the URL, which is read again when it changes."""

    file: Path

    @property
    def setting(self) -> str:
        """The setting that names it."""
        return "auth.database_url_file"

    @property
    def place(self) -> str:
        """Where an operator corrects the URL."""
        return f"the file of {self.setting}"

    @property
    def url(self) -> str:
        """The URL in words, without anything of it."""
        return f"the URL in {self.file}"

    def version(self) -> tuple[int, ...]:
        """What tells the URL from the one before; empty for a file that is missing."""
        return file_version(self.file)

    def read(self) -> Target:
        """The database that the file names; see ``read_target``."""
        return read_target(self.file)


@dataclass(frozen=True, slots=True)
class UrlText:
    """The URL as it stands in a setting, which never changes while a process runs."""

    text: str = field(repr=False)

    @property
    def setting(self) -> str:
        """See ``UrlFile``."""
        return "auth.database_url"

    @property
    def place(self) -> str:
        """See ``UrlFile``."""
        return self.setting

    @property
    def url(self) -> str:
        """See ``UrlFile``."""
        return "the URL"

    def version(self) -> tuple[int, ...]:
        """See ``UrlFile``."""
        return (0,)

    def read(self) -> Target:
        """The database; see ``UrlFile``.

        Raises:
            HeadgateError: it is no URL that can be used.
        """
        return _parsed(self.text.encode("utf-8", "surrogateescape"), self)


UrlSource = UrlFile | UrlText


@dataclass(frozen=True, slots=True)
class Target:
    """A database, and how to connect to it.

    Attributes:
        source: where its URL is.
        parameters: for ``psycopg.connect``, with the password.
        location: the database for a person, without user and password.
        sslmode: libpq's, which holds for each connection.
        is_local: whether no network is between this machine and the database.
    """

    source: UrlSource
    parameters: Mapping[str, str] = field(repr=False)
    location: str
    sslmode: str
    is_local: bool

    @property
    def warnings(self) -> list[str]:
        """What is not as safe as it could be."""
        if self.is_local or self.sslmode == "verify-full":
            return []
        what = {
            "verify-ca": "any server with a certificate of that authority is taken for it",
            "require": "any server is taken for it, since no certificate is checked",
        }.get(self.sslmode, "the connection may be neither encrypted nor checked")
        warning = (
            f"{self.source.setting}: the URL has sslmode={self.sslmode} for {self.location}: "
            f"{what}, and could hand out keys of its own; leave sslmode out, or set it to "
            "verify-full"
        )
        return [warning]


def file_version(file: Path) -> tuple[int, ...]:
    """What tells the content of a file from what it had before; the same for a missing one."""
    try:
        status = file.stat()
    except OSError:
        return ()
    return (
        *(status.st_dev, status.st_ino, status.st_size),
        *(status.st_mtime_ns, status.st_ctime_ns),
    )


def read_target(file: Path) -> Target:
    """The database that a file names.

    Raises:
        HeadgateError: the file cannot be read, or has no URL that can be used.
    """
    source = UrlFile(file)
    try:
        with open(file, "rb") as stream:
            content = stream.read(LONGEST + 1)
    except OSError as error:
        raise HeadgateError(
            f"{source.setting}: {file} cannot be read: {error.strerror or error}"
        ) from error
    return _parsed(content, source)


def _parsed(content: bytes, source: UrlSource) -> Target:
    try:
        url = content.decode().strip()
    except UnicodeDecodeError:
        raise _no_url(source, "is not UTF-8 text") from None
    if not url:
        raise _no_url(source, "is empty")
    if len(content) > LONGEST or not url.isprintable():
        raise _no_url(source, "has more than one line, or characters that no URL has")
    return parse(url, source)


def parse(url: str, source: UrlSource) -> Target:
    """The database of a URL.

    Raises:
        HeadgateError: it is not one that can be used; the message has nothing of it.
    """
    try:
        from psycopg import ProgrammingError  # noqa: PLC0415 - only where it is used
        from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415
    except ImportError:
        raise HeadgateError(
            f"{source.setting} needs psycopg, which is not installed: "
            "pip install 'headgate[postgresql]'"
        ) from None
    scheme = _SCHEME.match(url)
    if scheme is None:
        raise _no_url(source, "does not begin with postgresql://")
    try:
        given = conninfo_to_dict(f"postgresql://{url[scheme.end() :]}")
    except ProgrammingError as error:
        # libpq quotes what it did not understand, which may be the password.
        known = "invalid URI query parameter" in str(error)
        raise _no_url(
            source, "has a parameter that libpq does not know" if known else "cannot be understood"
        ) from None
    parameters = {name: str(value) for name, value in given.items() if value is not None}
    hosts, ports = parameters.get("host", ""), parameters.get("port", "")
    # What is not escaped in a password ends up in the parts after it.
    if (
        not all(_HOST.fullmatch(each) for each in hosts.split(","))
        or not all(_PORT.fullmatch(each) for each in ports.split(","))
        or re.search(r"[@/:]", parameters.get("dbname", ""))
        or not all(value.isprintable() for name, value in parameters.items() if name != "password")
    ):
        raise _no_url(source, "cannot be understood")
    is_local = _is_local(parameters)
    sslmode = parameters.get("sslmode") or ("prefer" if is_local else "verify-full")
    if sslmode not in _MODES:
        raise _no_url(source, "has an sslmode that libpq does not know")
    parameters["sslmode"] = sslmode
    if sslmode == "verify-full" and not _has_root(parameters):
        parameters["sslrootcert"] = _system_bundle()
    return Target(source, {**_DEFAULTS, **parameters}, _location(parameters), sslmode, is_local)


def _no_url(source: UrlSource, what: str) -> HeadgateError:
    return HeadgateError(
        f"{source.setting}: {source.url} {what}; write it on one line as postgresql://USER:PASSWORD@"
        "HOST:PORT/DATABASE, with each special character of the password percent-encoded "
        "(@ as %40, / as %2F, % as %25)"
    )


def _is_local(parameters: Mapping[str, str]) -> bool:
    """Whether the database is on this machine, with what libpq adds from its environment."""
    if _given(parameters, "service"):
        return False  # which may name any host
    named = _given(parameters, "hostaddr") or _given(parameters, "host")
    return all(_is_loopback(each) for each in named.split(","))


def _given(parameters: Mapping[str, str], name: str) -> str:
    return parameters.get(name) or os.environ.get(f"PG{name.upper()}", "")


def _is_loopback(host: str) -> bool:
    if not host or host.startswith(("/", "@")) or host == "localhost":
        return True  # a unix socket, or this machine
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _has_root(parameters: Mapping[str, str]) -> bool:
    return bool(
        parameters.get("sslrootcert")
        or os.environ.get("PGSSLROOTCERT")
        or Path("~/.postgresql/root.crt").expanduser().exists()
    )


def _system_bundle() -> str:
    """The authorities that this machine trusts.

    libpq's ``system`` would look where the OpenSSL was built that psycopg brings along.
    """
    for each in (ssl.get_default_verify_paths().cafile, *_BUNDLES):
        if each is not None and os.path.exists(each):
            return each
    return "system"


def _location(parameters: Mapping[str, str]) -> str:
    hosts = parameters.get("host", "").split(",")
    ports = parameters.get("port", "").split(",")
    pairs = zip(hosts, ports * len(hosts) if len(ports) == 1 else ports, strict=False)
    where = ",".join(
        (f"[{host}]" if ":" in host else host or "localhost") + (port and f":{port}")
        for host, port in pairs
    )
    return f"postgresql://{where}/{parameters.get('dbname', '')}"
