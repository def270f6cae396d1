"""Issuers whose tokens strangers can get, and the claims that tell a tenant from all others.

Anybody can run a workflow at GitHub and receive a token that its issuer has signed, for any
audience.  So each rule for such an issuer has to name its tenant by an id that is never given to
somebody else: names of repositories, projects and people can be changed and taken over (RFC 8725
section 3.8, validate issuer and subject; RFC 9700 section 4.15, identifiers that others choose).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

Value = str | int | bool
Conditions = Mapping[str, Sequence[Value]]

MULTI_TENANT: Final = frozenset({"common", "organizations", "consumers", "{tenantid}"})
"""Path segments in the place of Entra's tenant id."""
PERSONAL_TENANT: Final = "9188040d-6c67-4c5b-b112-36a304b66dad"
"""The tenant id of everybody's personal Microsoft account."""
_ENTRA: Final = frozenset(
    {
        "login.microsoftonline.com",
        "login.microsoftonline.us",
        "login.partner.microsoftonline.cn",
        "login.windows.net",
        "sts.windows.net",
    }
)


@dataclass(frozen=True, slots=True)
class SharedIssuer:
    """An issuer for everybody.

    Attributes:
        host: of its URL.
        ids: claims each of which, compared exactly, tells a tenant from all others.
        names: claims that look like it and do not, since they can change hands.
    """

    host: str
    ids: tuple[str, ...]
    names: tuple[str, ...] = ()


SHARED_ISSUERS: Final = (
    SharedIssuer(
        "token.actions.githubusercontent.com",
        ("repository_id", "repository_owner_id", "enterprise_id"),
        ("repository", "repository_owner", "sub"),
    ),
    SharedIssuer(
        "gitlab.com", ("project_id", "namespace_id"), ("project_path", "namespace_path", "sub")
    ),
    SharedIssuer(
        "accounts.google.com", ("sub", "hd", "/google/compute_engine/project_number"), ("email",)
    ),
    SharedIssuer(
        "app.terraform.io",
        ("terraform_organization_id", "terraform_project_id", "terraform_workspace_id"),
        ("terraform_organization_name", "sub"),
    ),
    SharedIssuer("agent.buildkite.com", ("organization_id", "pipeline_id"), ("sub",)),
    SharedIssuer("oidc.vercel.com", ("owner_id", "project_id"), ("owner", "project", "sub")),
    SharedIssuer("appleid.apple.com", ("sub",), ("email",)),
    SharedIssuer("login.salesforce.com", ("sub", "organization_id"), ("email",)),
    SharedIssuer("oidc.modal.com", ("workspace_id", "environment_id"), ("environment_name",)),
    SharedIssuer("oidc.codefresh.io", ("account_id", "pipeline_id"), ("account_name",)),
    # Others that cloud providers treat as shared; of their claims ``sub`` alone is known to differ.
    SharedIssuer("api.pulumi.com", ("sub",)),
    SharedIssuer("codeberg.org", ("sub",)),
    SharedIssuer("federation.namespaceapis.com", ("sub",)),
    SharedIssuer("identity.depot.dev", ("sub",)),
    SharedIssuer("issuer.enforce.dev", ("sub",)),
    SharedIssuer("login.app.env0.com", ("sub",)),
    SharedIssuer("scalr.io", ("sub",)),
    SharedIssuer("securetoken.google.com", ("sub",), ("email",)),  # Firebase: anybody signs up
    SharedIssuer("studio.datachain.ai", ("sub",)),
)
_BY_HOST: Final = {each.host: each for each in SHARED_ISSUERS}


def is_multi_tenant(issuer: str) -> bool:
    """Whether this is the address of Entra ID for the tenants of everybody."""
    return _host(issuer) in _ENTRA and _first_segment(issuer) in MULTI_TENANT


def for_tenant(issuer: str, tenant: str) -> str:
    """The issuer of one tenant, where ``is_multi_tenant``."""
    return issuer.replace(f"/{_first_segment(issuer)}", f"/{tenant}", 1)


def tenant_of(issuer: str) -> str:
    """The tenant in the URL of one of Entra's issuers."""
    return _first_segment(issuer)


def unbound(issuer: str, when: Conditions) -> str:
    """Why tokens of strangers could fit these conditions; empty if they cannot."""
    host = _host(issuer)
    if host in _ENTRA:
        return _unbound_in_entra(issuer, when)
    shared = _BY_HOST.get(host)
    if shared is None or _has_exact(when, shared.ids):
        return ""
    names = f"; {' or '.join(shared.names)} alone can change hands" if shared.names else ""
    return (
        f"{host} issues tokens to everybody, so a condition has to name your tenant: add "
        f"{' or '.join(shared.ids)} with an exact value{names}"
    )


def _unbound_in_entra(issuer: str, when: Conditions) -> str:
    is_shared = is_multi_tenant(issuer)
    if is_shared and not _has_exact(when, ("tid",)):
        return (
            "this issuer stands for every tenant of Entra ID, so a condition has to name yours: "
            "add tid with the exact id of the tenant, or put that id into the issuer"
        )
    is_personal = _first_segment(issuer) == PERSONAL_TENANT or (
        is_shared and PERSONAL_TENANT in when["tid"]
    )
    if is_personal and not _has_exact(when, ("sub", "oid")):
        return (
            "this tenant holds everybody's personal account, so a condition has to name yours: "
            "add sub or oid with an exact value"
        )
    return ""


def plain_claims(issuer: str) -> frozenset[str]:
    """The claims that name one holder or tenant, so that they are never lists."""
    shared = _BY_HOST.get(_host(issuer))
    return frozenset({"sub", "tid", "oid", *(shared.ids if shared else ())})


def _has_exact(when: Conditions, claims: Collection[str]) -> bool:
    return any(claim in when and all(map(is_exact, when[claim])) for claim in claims)


def is_exact(value: Value) -> bool:
    """Whether a condition's value is compared as it is, and not a pattern."""
    return not isinstance(value, str) or not ("*" in value or "?" in value)


def _host(issuer: str) -> str:
    return (urlsplit(issuer).hostname or "").rstrip(".")


def _first_segment(issuer: str) -> str:
    return urlsplit(issuer).path.lstrip("/").partition("/")[0].lower()
