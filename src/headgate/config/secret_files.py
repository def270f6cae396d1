"""Files with secrets that every user of the machine may read or write."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from headgate.config.schema import Config
from headgate.errors import Problem


def exposed_secrets(config: Config) -> list[Problem]:
    """Each secret file of the configuration that every user may read or write, with its setting.

    Only a warning: containers mount secrets like this by default, and may have no other user.
    """
    found = []
    for setting, file in _secret_files(config):
        try:
            mode = file.stat().st_mode
        except OSError:
            continue  # reported with the problems of the configuration
        may = [
            word
            for bit, word in ((stat.S_IROTH, "read"), (stat.S_IWOTH, "written"))
            if mode & bit and stat.S_ISREG(mode)
        ]
        if may:
            cure = f"chmod {'600' if 'written' in may else 'o-r'} it"
            found.append(
                Problem(setting, f"{file} may be {' and '.join(may)} by every user: {cure}")
            )
    return found


def _secret_files(config: Config) -> Iterator[tuple[str, Path]]:
    named: list[tuple[str, Path | None]] = [
        ("auth.database_url_file", config.auth.database_url_file)
    ]
    if config.listen.tls is not None:
        named.append(("listen.tls.key", config.listen.tls.key))
    for name, upstream in config.upstreams.items():
        credentials = upstream.credentials
        named += [
            (f"upstreams.{name}.tls.key", upstream.tls.key),
            (f"upstreams.{name}.credentials.password_file", credentials.password_file),
            (f"upstreams.{name}.credentials.token_file", credentials.token_file),
        ]
    named += [
        (f"auth.issuers.{name}.token_file", issuer.token_file)
        for name, issuer in config.auth.issuers.items()
    ]
    named += [
        ("telemetry.otlp.headers_file", config.telemetry.otlp.headers_file),
        ("telemetry.otlp.key", config.telemetry.otlp.key),
    ]
    yield from ((setting, file) for setting, file in named if file is not None)
