"""Issuers of tokens (JWT), and the rules that give their tokens roles."""

from __future__ import annotations

import enum
import importlib.util
import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator

from headgate.config.claims import ClaimPath
from headgate.config.section import Section, listed
from headgate.config.shared_issuers import Value, for_tenant, is_exact, is_multi_tenant, unbound
from headgate.errors import Problem
from headgate.net.hosts import address_of

LONGEST_LIFE: Final = 86_400.0
DISCOVERY: Final = "/.well-known/openid-configuration"
NEEDS_EXTRA: Final = (
    "tokens need more Python packages than are installed: pip install headgate[jwt]"
)
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
_MOST_VALUES: Final = 1_000


class Algorithm(enum.StrEnum):
    """Algorithms of signatures (RFC 7518, 8037, 9864): asymmetric ones alone."""

    RS256 = "RS256"
    RS384 = "RS384"
    RS512 = "RS512"
    PS256 = "PS256"
    PS384 = "PS384"
    PS512 = "PS512"
    ES256 = "ES256"
    ES384 = "ES384"
    EDDSA = "EdDSA"


def _condition(value: object) -> object:
    values = value if isinstance(value, list | tuple) else [value]
    if not values or len(values) > _MOST_VALUES:
        raise ValueError(f"must have one value, or up to {_MOST_VALUES} of them in a list")
    for each in values:
        if not isinstance(each, str | int):
            raise ValueError("must be a string, a whole number, true or false, or a list of these")
        if each == "":
            raise ValueError("must not be empty: no token would fit")
    return tuple(values)


Condition = Annotated[tuple[Value, ...], BeforeValidator(_condition)]
"""What a claim must be: one of these values; a string with ``*`` or ``?`` is a pattern."""


class Rule(Section):
    """Which tokens of the issuer get which roles.

    All rules that fit a token count together; a token that fits none is refused.
    """

    when: dict[ClaimPath, Condition] = Field(
        description='What the claims of a token must be, all of them: `{ sub = "job-1", ref = '
        '"refs/heads/*" }`. A value is compared exactly; `*` in it stands for any text and `?` for '
        "one character. Of a list of values one has to fit; of a claim that is a list, one "
        'element. A claim within another is a JSON Pointer: `"/kubernetes.io/namespace"`.'
    )
    roles: Annotated[tuple[str, ...], BeforeValidator(listed)] = Field(
        min_length=1, description="Roles that such a token gets, built in or your own."
    )

    @field_validator("when")
    @classmethod
    def _when(cls, value: dict[str, tuple[Value, ...]]) -> dict[str, tuple[Value, ...]]:
        if not value:
            raise ValueError("must have a condition; for every token of the issuer: { sub = '*' }")
        return value


def _rules(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:  # from an environment variable
        return json.loads(value)
    except ValueError as error:
        raise ValueError(f"is not JSON, a list of rules: {error}") from None


class Issuer(Section):
    """An issuer whose tokens (JWT) authenticate programs, as keys do.

    `NAME` may have lower-case letters, digits and `-`; it begins the ids of the principals.
    """

    issuer: str = Field(
        min_length=1,
        max_length=1024,
        description="The claim `iss` of its tokens, compared exactly, such as "
        "`https://token.actions.githubusercontent.com`.",
    )
    audience: Annotated[tuple[str, ...], BeforeValidator(listed)] = Field(
        min_length=1,
        description="The claim `aud` must have one of these. Choose the public URL of the gate, "
        "and let clients ask for tokens for it alone.",
    )
    rules: Annotated[tuple[Rule, ...], BeforeValidator(_rules)] = Field(
        description="Which tokens get which roles; in the environment as JSON."
    )
    discovery_url: str | None = Field(
        None,
        description="Where the issuer describes itself (OpenID Connect Discovery). Default: "
        f"`issuer` and `{DISCOVERY}`.",
    )
    jwks_url: str | None = Field(
        None, description="Where its signing keys (JWKS) are, instead of discovery."
    )
    jwks_file: Path | None = Field(
        None,
        description="File with its signing keys (JWKS), instead of discovery. The gate reads it "
        "again when it changes.",
    )
    ca: Path | None = Field(
        None,
        description="PEM file with the certificate authorities to trust when the keys are fetched. "
        "Default: the system's.",
    )
    token_file: Path | None = Field(
        None,
        description="File with a token, sent as `Bearer` when keys are fetched from the host of "
        "`discovery_url` or `jwks_url`; the API server of Kubernetes may ask for it. It is read "
        "each time.",
    )
    refresh_interval: float = Field(
        3_600,
        ge=10,
        le=LONGEST_LIFE,
        allow_inf_nan=False,
        description="Seconds between two fetches of the keys, in each worker. A token with an "
        "unknown key causes a fetch by itself, at most every 30 seconds.",
    )
    algorithms: Annotated[tuple[Algorithm, ...], BeforeValidator(listed)] = Field(
        (Algorithm.RS256, Algorithm.ES256),
        min_length=1,
        description="Algorithms that its tokens may be signed with.",
    )
    leeway: float = Field(
        60,
        ge=0,
        le=300,
        allow_inf_nan=False,
        description="Seconds by which the clock of the issuer may be ahead: `iat` and `nbf` may be "
        "this far in the future. The end of a token, `exp`, is never extended.",
    )
    max_life: float = Field(
        LONGEST_LIFE,
        gt=0,
        le=LONGEST_LIFE,
        allow_inf_nan=False,
        description="Longest life in seconds, from `iat` to `exp`, of tokens that are accepted.",
    )
    principal: ClaimPath = Field(
        "sub",
        description="The claim that tells one principal from all others; with the name of the "
        "issuer in front of it, it is the principal's id. Choose one that is never given to "
        "somebody else.",
    )
    display_name: ClaimPath | None = Field(
        None,
        description="The claim that names the principal in logs and messages. Default: that of "
        "`principal`.",
    )
    denied: Annotated[tuple[str, ...], BeforeValidator(listed)] = Field(
        (),
        description="Values of the claim `principal` whose tokens are refused, whatever rules fit. "
        "A reload applies it to tokens that are in use, too.",
    )

    @field_validator("rules")
    @classmethod
    def _some_rule(cls, value: tuple[Rule, ...]) -> tuple[Rule, ...]:
        if not value:
            raise ValueError("must have a rule: there is no default role")
        return value

    @property
    def source_url(self) -> str:
        """Where the keys are fetched from first; empty if they are in a file."""
        if self.jwks_file is not None:
            return ""
        return self.jwks_url or self.discovery_url or f"{self.issuer.rstrip('/')}{DISCOVERY}"

    @property
    def accepted(self) -> frozenset[str]:
        """Each ``iss`` that is accepted: one, or one for each tenant that a rule names."""
        if not is_multi_tenant(self.issuer):
            return frozenset({self.issuer})
        tenants = {each for rule in self.rules for each in rule.when.get("tid", ())}
        return frozenset(for_tenant(self.issuer, str(each)) for each in tenants)

    @property
    def described_as(self) -> str:
        """What ``issuer`` of the discovery document must be."""
        if not is_multi_tenant(self.issuer):
            return self.issuer
        return for_tenant(self.issuer, "{tenantid}")


def problems(issuers: Mapping[str, Issuer], roles: Collection[str]) -> Iterator[Problem]:
    """The problems of issuers that show only beside other settings.

    Args:
        issuers: by name.
        roles: the names of all roles.
    """
    if issuers and importlib.util.find_spec("joserfc") is None:
        yield Problem("auth.issuers", NEEDS_EXTRA)
    owners: dict[str, str] = {}
    for name, issuer in issuers.items():
        path = f"auth.issuers.{name}"
        if _NAME.fullmatch(name) is None:
            yield Problem(
                path,
                "is not a valid name: use lower-case letters and digits, with - between them, at "
                "most 64",
            )
        for each in sorted(issuer.accepted):
            owner = owners.setdefault(each, name)
            if owner != name:
                yield Problem(f"{path}.issuer", f"'{each}' already belongs to auth.issuers.{owner}")
        yield from _source_problems(path, issuer)
        yield from _rule_problems(path, issuer, roles)


def _source_problems(path: str, issuer: Issuer) -> Iterator[Problem]:
    """Problems of where the keys come from."""
    sources = [each for each in ("discovery_url", "jwks_url", "jwks_file") if getattr(issuer, each)]
    if len(sources) > 1:
        yield Problem(path, f"{' and '.join(sources)} exclude each other; keep one")
    if not sources and (why := _misfit(issuer.issuer)):
        yield Problem(
            f"{path}.issuer", f"{why}; or set jwks_url or jwks_file, since it has no discovery"
        )
    for each in ("discovery_url", "jwks_url"):
        if (url := getattr(issuer, each)) and (why := _misfit(url)):
            yield Problem(f"{path}.{each}", why)
    if issuer.jwks_file is not None:
        for each in ("ca", "token_file"):
            if getattr(issuer, each) is not None:
                yield Problem(f"{path}.{each}", "has no effect with jwks_file")


def _rule_problems(path: str, issuer: Issuer, roles: Collection[str]) -> Iterator[Problem]:
    for at, rule in enumerate(issuer.rules):
        where = f"{path}.rules.{at}"
        if why := unbound(issuer.issuer, rule.when):
            yield Problem(f"{where}.when", why)
        for number, role in enumerate(rule.roles):
            if role not in roles:
                yield Problem(
                    f"{where}.roles.{number}", f"there is no role '{role}': {', '.join(roles)}"
                )
    for number, value in enumerate(issuer.denied):
        if not is_exact(value):
            yield Problem(f"{path}.denied.{number}", "must be one value, not a pattern")
    for number, value in enumerate(issuer.audience):
        if not value or not is_exact(value):
            yield Problem(f"{path}.audience.{number}", "must be one audience, not a pattern")


def _misfit(url: str) -> str:
    """Why keys cannot be fetched from a URL; empty if they can."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return f"'{url}' is not a URL"
    if parts.scheme not in ("https", "http") or not parts.hostname or port == 0:
        return f"'{url}' is not a URL such as https://issuer.example.com"
    if parts.username is not None or "#" in url or not url.isascii() or not url.isprintable():
        return f"'{url}' must have no credentials, no fragment and no special characters"
    if parts.scheme == "http" and not is_loopback_host(parts.hostname):
        return f"'{url}' must begin with https, since its keys decide who may enter"
    return ""


def is_loopback_host(host: str) -> bool:
    """Whether a host of a URL is this machine, where plain HTTP may be used."""
    address = address_of(host)
    return host == "localhost" if address is None else address.is_loopback
