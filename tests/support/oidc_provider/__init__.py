"""A real OpenID Connect provider (npm's ``oidc-provider``) that issues access tokens to programs.

It is installed from ``package-lock.json``, once, into a folder of ``build/``.  The lock file names
versions and digests, and no place to download from: that is the business of npm's settings.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from tests.support.debian import NPM, require
from tests.support.processes import ServerProcess

_HERE: Final = Path(__file__).parent
_INSTALLED: Final = Path(__file__).parents[3] / "build" / "oidc-provider"
INSTALL_SECONDS: Final = 300
START_SECONDS: Final = 180.0


@dataclass(frozen=True)
class Client:
    """A program that the provider knows, and what its tokens say about it."""

    id: str
    secret: str
    roles: tuple[str, ...] = ()
    projects: tuple[int, ...] = ()


@dataclass(frozen=True)
class OidcProvider:
    """A running provider; ``issuer`` is also where it listens."""

    issuer: str
    process: ServerProcess

    def discovered(self) -> Mapping[str, Any]:
        """What the provider says about itself (OpenID Connect Discovery section 4)."""
        response = httpx.get(f"{self.issuer}/.well-known/openid-configuration")
        document: Mapping[str, Any] = response.raise_for_status().json()
        return document

    def token(self, client: Client, resource: str) -> str:
        """An access token for ``resource``, by client credentials (RFC 6749 section 4.4)."""
        response = httpx.post(
            self.discovered()["token_endpoint"],
            data={"grant_type": "client_credentials", "resource": resource},
            auth=(client.id, client.secret),
        )
        token: str = response.raise_for_status().json()["access_token"]
        return token


@contextmanager
def running_oidc_provider(
    folder: Path, *clients: Client, life: int = 600
) -> Iterator[OidcProvider]:
    """Run a provider until the block ends; its tokens live ``life`` seconds."""
    environment = {
        "OIDC_CLIENTS": json.dumps(
            {
                each.id: {"secret": each.secret, "roles": each.roles, "projects": each.projects}
                for each in clients
            }
        ),
        "OIDC_TTL": str(life),
    }
    # Node.js looks for packages in the folder of the program, so that it stands beside them.
    program = _installed() / f"provider-{uuid.uuid4()}.mjs"
    shutil.copy(_HERE / "provider.mjs", program)
    command = ["node", str(program)]
    try:
        with ServerProcess(command, environment, folder, "oidc-provider") as process:
            line = process.wait_for_line(r"issuer (http://127\.0\.0\.1:\d+)\n", START_SECONDS)
            yield OidcProvider(line[1], process)
    finally:
        program.unlink()


def _installed() -> Path:
    """The folder with the provider and what it depends on, installed if it is not yet."""
    npm = require(NPM)
    _INSTALLED.mkdir(parents=True, exist_ok=True)
    with (_INSTALLED / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests in other processes install it too
        done = _INSTALLED / "installed"
        wanted = hashlib.sha256((_HERE / "package-lock.json").read_bytes()).hexdigest()
        if not done.exists() or done.read_text() != wanted:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(_HERE / name, _INSTALLED)
            subprocess.run(
                [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"],
                cwd=_INSTALLED,
                check=True,
                timeout=INSTALL_SECONDS,
            )
            done.write_text(wanted)
    return _INSTALLED
