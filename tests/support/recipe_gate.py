"""A gate configured as all how-tos about tokens say, with an issuer for each platform."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.support import recipes
from tests.support.certificates import Authority
from tests.support.forgeries import Attack
from tests.support.gate import Gate, bearer, running_gate
from tests.support.issued_tokens import AWS, KUBERNETES, PLATFORMS, Platform
from tests.support.issuers import Fault, Issuer, running_issuer
from tests.support.raw import RawClient, RawResponse, request_head

POD_FILES: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
API_SERVER: Final = "https://kubernetes.default.svc"
_KUBERNETES_JWKS: Final = f"{API_SERVER}/openid/v1/jwks"
POD_TOKEN: Final = "the-token-of-the-gate's-own-pod"
SEARCH: Final = "/api/2.0/mlflow/experiments/search?max_results=1"
_KIDS: Final = {AWS.setting: "EC384_0"}  # AWS names the keys of all accounts alike


@dataclass
class RecipeGate:
    """A running gate, and the issuers that it accepts, by their names in its configuration."""

    gate: Gate
    issuers: Mapping[str, Issuer]
    _addresses: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def token(self, platform: Platform, changes: Mapping[str, Any] | None = None) -> str:
        """A token that the issuer of a platform has signed just now."""
        return platform.token(self.issuers[platform.setting], time.time(), changes)

    def attack(self, platform: Platform) -> Attack:
        """What somebody has who attacks the gate through one of its issuers."""
        at = PLATFORMS.index(platform)
        other = PLATFORMS[at - 1]
        issuers = self.issuers
        return Attack(platform, issuers[platform.setting], issuers[other.setting], time.time())

    def connect(self) -> RawClient:
        """A connection from an address that no other one has had.

        Strangers are counted by their address, and each forgery comes from another one.
        """
        number = next(self._addresses)
        source = f"127.1.{number // 250}.{number % 250 + 1}"
        return RawClient(self.gate.host, self.gate.port, source=source)

    def ask(self, token: str, target: str = SEARCH) -> RawResponse:
        """Send one request with a token, on a connection of its own."""
        with self.connect() as client:
            return send(client, token, target)


def send(client: RawClient, token: str, target: str = SEARCH) -> RawResponse:
    """Send one request with a token on an open connection."""
    client.send(request_head("GET", target, bearer(token)))
    return client.response()


@contextmanager
def running_recipe_gate(
    folder: Path,
    upstream: str,
    more: str = "",
    environment: Mapping[str, str] | None = None,
    faults: Mapping[str, Fault] | None = None,
) -> Iterator[RecipeGate]:
    """Run a gate with the issuers of all how-tos until the block ends.

    Args:
        folder: for its files.
        upstream: the address of MLflow.
        more: further configuration.
        environment: further settings.
        faults: what is wrong with issuers when the gate starts.
    """
    authority = Authority(folder, "cluster-ca")
    server = authority.issue("api-server", "127.0.0.1")
    pod = folder / "pod"
    pod.mkdir()
    (pod / "ca.crt").write_bytes(authority.certificate.read_bytes())
    (pod / "token").write_text(POD_TOKEN)
    (pod / "token").chmod(0o600)
    with ExitStack() as stack:
        issuers = {
            each.setting: stack.enter_context(
                running_issuer(
                    each.issuer,
                    each.algorithm,
                    kid=_KIDS.get(each.setting, f"{each.setting}-key-1"),
                    certificate=server if each is KUBERNETES else None,
                )
            )
            for each in PLATFORMS
        }
        for name, fault in (faults or {}).items():
            issuers[name].fault = fault
        file = folder / "headgate.toml"
        file.write_text(configuration(issuers, pod) + more, encoding="utf-8")
        settings = {"HEADGATE_CONFIG": str(file), **(environment or {})}
        gate = stack.enter_context(running_gate(folder, upstream, settings))
        if not faults:  # then the keys of all come soon; a busy machine takes its time
            gate.event("issuer_keys_changed", len(issuers))
        yield RecipeGate(gate, issuers)


def configuration(issuers: Mapping[str, Issuer], pod: Path) -> str:
    """The configuration of all how-tos; only where the keys are fetched is another place."""
    text = "\n".join(map(recipes.configuration, recipes.PAGES))
    assert _KUBERNETES_JWKS in text
    text = text.replace(_KUBERNETES_JWKS, issuers[KUBERNETES.setting].jwks_url)
    text = text.replace(POD_FILES, str(pod))
    for platform in PLATFORMS:
        if platform is not KUBERNETES:
            where = f'discovery_url = "{issuers[platform.setting].discovery_url}"\n'
            line = rf'^issuer = "{re.escape(platform.issuer)}".*\n'
            text, count = re.subn(line, rf"\g<0>{where}", text, flags=re.MULTILINE)
            assert count == 1, platform.issuer
    return text
