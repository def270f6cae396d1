"""The tokens of real issuers: headers, claims, types and lifetimes as their documentation shows.

The identities are those of the how-to pages, and most of them come from the issuers' own examples.
Each platform also has its strangers: holders of good tokens of the same issuer that the
configuration of the how-to must refuse.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tests.support.issuers import Issuer

_TENANT: Final = "aaaabbbb-0000-cccc-1111-dddd2222eeee"
_CLIENT: Final = "00001111-aaaa-2222-bbbb-3333cccc4444"
_OBJECT: Final = "aaaaaaaa-0000-1111-2222-bbbbbbbbbbbb"
_OTHER_OBJECT: Final = "bbbbbbbb-1111-2222-3333-cccccccccccc"


@dataclass(frozen=True)
class Platform:
    """What one issuer writes into its tokens.

    Attributes:
        name: of the recipe.
        setting: its name below ``auth.issuers`` in the how-to.
        principal: the id that its tokens give their holder.
        issuer: ``iss``.
        audience: ``aud`` as the how-to asks for it.
        claims: those that say who the holder is.
        strangers: by a title, how the claims of others differ; ``None`` removes a claim.
        algorithm: what the issuer signs with.
        header: what the header has beside ``alg`` and ``kid``.
        life: seconds from ``iat`` to ``exp``.
        nbf_before: seconds from ``nbf`` to ``iat``; ``None``: there is no ``nbf``.
        aud_is_list: whether a single audience is a list.
        has_jti: whether each token has an id of its own.
    """

    name: str
    setting: str
    principal: str
    issuer: str
    audience: str
    claims: Mapping[str, Any]
    strangers: Mapping[str, Mapping[str, Any]]
    algorithm: str = "RS256"
    header: Mapping[str, Any] = field(default_factory=lambda: {"typ": "JWT"})
    life: int = 3600
    nbf_before: int | None = 0
    aud_is_list: bool = False
    has_jti: bool = True

    def claims_at(self, now: float, changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """All claims of a token issued at ``now`` (seconds since the epoch)."""
        issued = int(now)
        times: dict[str, Any] = {"iat": issued, "exp": issued + self.life}
        if self.nbf_before is not None:
            times["nbf"] = issued - self.nbf_before
        if self.has_jti:
            times["jti"] = str(uuid.uuid4())
        audience = [self.audience] if self.aud_is_list else self.audience
        made = {"iss": self.issuer, "aud": audience, **times, **self.claims, **(changes or {})}
        return {name: value for name, value in made.items() if value is not None}

    def token(self, issuer: Issuer, now: float, changes: Mapping[str, Any] | None = None) -> str:
        """A token that ``issuer`` has signed for the holder, or with ``changes`` for another."""
        return issuer.token(self.claims_at(now, changes), self.signed_header(issuer))

    def signed_header(self, issuer: Issuer) -> dict[str, Any]:
        """The header of a token signed with the issuer's first key."""
        key = issuer.keys[0]
        return {"alg": key.algorithm, "kid": key.kid, **self.header}


GITHUB: Final = Platform(
    # https://docs.github.com/en/actions/concepts/security/openid-connect
    # ("Understanding the OIDC token"), /en/actions/reference/security/oidc.  Every id is a string,
    # `nbf` lies ten minutes before `iat`, and a token lives five minutes.
    name="github-actions",
    setting="github",
    principal="github:74",
    issuer="https://token.actions.githubusercontent.com",
    audience="https://gate.example",
    life=300,
    nbf_before=600,
    header={"typ": "JWT", "x5t": "example-thumbprint"},
    claims={
        "sub": "repo:octo-org/octo-repo:ref:refs/heads/main",
        "ref": "refs/heads/main",
        "ref_type": "branch",
        "ref_protected": "true",
        "sha": "f1b0c0ffee0ddba11ade7ab1e5caffe1ned0fc0d",
        "repository": "octo-org/octo-repo",
        "repository_id": "74",
        "repository_owner": "octo-org",
        "repository_owner_id": "65",
        "repository_visibility": "private",
        "actor": "octocat",
        "actor_id": "12",
        "run_id": "10017",
        "run_number": "10",
        "run_attempt": "2",
        "runner_environment": "github-hosted",
        "workflow": "train",
        "workflow_ref": "octo-org/octo-repo/.github/workflows/train.yml@refs/heads/main",
        "workflow_sha": "f1b0c0ffee0ddba11ade7ab1e5caffe1ned0fc0d",
        "job_workflow_ref": "octo-org/octo-repo/.github/workflows/train.yml@refs/heads/main",
        "job_workflow_sha": "f1b0c0ffee0ddba11ade7ab1e5caffe1ned0fc0d",
        "head_ref": "",
        "base_ref": "",
        "event_name": "push",
    },
    strangers={
        "another repository": {
            "sub": "repo:mallory/tools:ref:refs/heads/main",
            "repository": "mallory/tools",
            "repository_id": "740",
            "repository_owner": "mallory",
            "repository_owner_id": "650",
        },
        # The first owner has deleted or renamed it; the name was free for anybody.
        "a new repository under the same name": {
            "repository_id": "9074",
            "repository_owner_id": "9065",
        },
        "a branch that is not main": {
            "sub": "repo:octo-org/octo-repo:ref:refs/heads/try",
            "ref": "refs/heads/try",
            "ref_protected": "false",
        },
        "a pull request": {
            "sub": "repo:octo-org/octo-repo:pull_request",
            "ref": "refs/pull/7/merge",
            "event_name": "pull_request",
            "head_ref": "try",
            "base_ref": "main",
        },
        "no repository_id": {"repository_id": None},
        "a repository_id that is a list": {"repository_id": ["74"]},
    },
)

GITLAB: Final = Platform(
    # https://docs.gitlab.com/ci/secrets/id_token_authentication/ ("Token payload").  `runner_id`
    # is a number, other ids are strings, booleans are the strings "true" and "false".  A token
    # lives as long as the job's timeout.
    name="gitlab-ci",
    setting="gitlab",
    principal="gitlab:20",
    issuer="https://gitlab.com",
    audience="https://gate.example",
    life=3600,
    nbf_before=5,
    claims={
        "namespace_id": "72",
        "namespace_path": "my-group",
        "project_id": "20",
        "project_path": "my-group/my-project",
        "user_id": "1",
        "user_login": "sample-user",
        "user_email": "sample-user@example.com",
        "user_identities": [{"provider": "github", "extern_uid": "2435223452345"}],
        "user_access_level": "developer",
        "pipeline_id": "574",
        "pipeline_source": "push",
        "job_id": "302",
        "ref": "main",
        "ref_type": "branch",
        "ref_path": "refs/heads/main",
        "ref_protected": "true",
        "groups_direct": ["mygroup/mysubgroup", "myothergroup/myothersubgroup"],
        "runner_id": 1,
        "runner_environment": "gitlab-hosted",
        "sha": "714a629c0b401fdce83e847fc9589983fc6f46bc",
        "project_visibility": "private",
        "ci_config_ref_uri": "gitlab.com/my-group/my-project//.gitlab-ci.yml@refs/heads/main",
        "ci_config_sha": "714a629c0b401fdce83e847fc9589983fc6f46bc",
        "sub": "project_path:my-group/my-project:ref_type:branch:ref:main",
    },
    strangers={
        "another project": {
            "namespace_id": "720",
            "namespace_path": "mallory",
            "project_id": "200",
            "project_path": "mallory/tools",
            "sub": "project_path:mallory/tools:ref_type:branch:ref:main",
        },
        "a new project under the same path": {"namespace_id": "9072", "project_id": "9020"},
        "an unprotected branch": {
            "ref": "try",
            "ref_path": "refs/heads/try",
            "ref_protected": "false",
            "sub": "project_path:my-group/my-project:ref_type:branch:ref:try",
        },
        # GitLab writes the source project's claims into the token of a fork's merge request.
        "a merge request of a fork": {
            "namespace_id": "720",
            "namespace_path": "mallory",
            "project_id": "201",
            "project_path": "mallory/my-project",
            "pipeline_source": "merge_request_event",
            "sub": "project_path:mallory/my-project:ref_type:branch:ref:main",
        },
        "another user's runner, no project": {"project_id": None, "project_path": None},
    },
)

KUBERNETES: Final = Platform(
    # https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/
    # ("Bound service account tokens"; `kubectl create token`).  The header has no `typ`, `aud` is
    # always a list, and what is known of the pod is in the object `kubernetes.io`.
    name="kubernetes",
    setting="cluster",
    principal="cluster:system:serviceaccount:training:trainer",
    issuer="https://kubernetes.default.svc.cluster.local",
    audience="https://gate.example",
    header={},
    aud_is_list=True,
    claims={
        "kubernetes.io": {
            "namespace": "training",
            "node": {"name": "worker-1", "uid": "517eb86e-b863-451b-bf70-86cb61439a3a"},
            "pod": {"name": "train-0", "uid": "0d8b260e-ef0e-45fb-be8e-ff44f97722e8"},
            "serviceaccount": {
                "name": "trainer",
                "uid": "e6a8680e-d103-4cce-80ea-03acbbeacf7d",
            },
        },
        "sub": "system:serviceaccount:training:trainer",
    },
    strangers={
        "another namespace": {
            "sub": "system:serviceaccount:default:trainer",
            "kubernetes.io": {
                "namespace": "default",
                "serviceaccount": {
                    "name": "trainer",
                    "uid": "7d2b0d3c-6a58-4f7e-8f3b-6c1de1a0b001",
                },
            },
        },
        "another service account of the namespace": {
            "sub": "system:serviceaccount:training:default",
            "kubernetes.io": {
                "namespace": "training",
                "serviceaccount": {
                    "name": "default",
                    "uid": "7d2b0d3c-6a58-4f7e-8f3b-6c1de1a0b002",
                },
            },
        },
        # kubernetes.io/service-account-token, a Secret: it is valid until somebody deletes it.
        "a token of the old kind": {"iss": "kubernetes/serviceaccount", "aud": None, "exp": None},
        "a namespace that begins alike": {
            "sub": "system:serviceaccount:training-2:trainer",
            "kubernetes.io": {
                "namespace": "training-2",
                "serviceaccount": {
                    "name": "trainer",
                    "uid": "7d2b0d3c-6a58-4f7e-8f3b-6c1de1a0b003",
                },
            },
        },
    },
)

AWS: Final = Platform(
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_outbound_token_claims.html
    # `sub` is the role, not the session; the issuer belongs to one account.
    name="aws-roles",
    setting="aws",
    principal="aws:arn:aws:iam::123456789012:role/training",
    issuer="https://abc123-def456-ghi789-jkl012.tokens.sts.global.api.aws",
    audience="https://gate.example",
    algorithm="ES384",
    life=900,
    nbf_before=None,
    claims={
        "sub": "arn:aws:iam::123456789012:role/training",
        "https://sts.amazonaws.com/": {
            "aws_account": "123456789012",
            "source_region": "eu-central-1",
            "org_id": "o-abc1234567",
            "ou_path": ["o-abc1234567/r-ab12/ou-ab12-11111111/"],
            "principal_tags": {"environment": "production", "team": "data-engineering"},
            "ecs_cluster_arn": "arn:aws:ecs:eu-central-1:123456789012:cluster/training",
        },
    },
    strangers={
        "another role of the account": {"sub": "arn:aws:iam::123456789012:role/website"},
        "a role whose name begins alike": {"sub": "arn:aws:iam::123456789012:role/training-2"},
        "a role of that name below a path": {
            "sub": "arn:aws:iam::123456789012:role/mallory/training"
        },
        "a user of that name": {"sub": "arn:aws:iam::123456789012:user/training"},
        "the same role in another account": {
            "iss": "https://mno345-pqr678-stu901-vwx234.tokens.sts.global.api.aws",
            "sub": "arn:aws:iam::999999999999:role/training",
        },
    },
)

ENTRA: Final = Platform(
    # https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference and
    # /v2-oauth2-client-creds-grant-flow.  Of an application `sub` is `oid`; `aud` of a v2 token is
    # the API's client id; tokens live 60 to 90 minutes.
    name="entra-id",
    setting="entra",
    principal=f"entra:{_OBJECT}",
    issuer=f"https://login.microsoftonline.com/{_TENANT}/v2.0",
    audience="11112222-bbbb-3333-cccc-4444dddd5555",
    life=3900,
    has_jti=False,
    claims={
        "aio": "E2ZgYPj/example",
        "azp": _CLIENT,
        "azpacr": "1",
        "oid": _OBJECT,
        "rh": "0.AXkAexample",
        "roles": ["Train"],
        "sub": _OBJECT,
        "tid": _TENANT,
        "uti": "kJ3jexample",
        "ver": "2.0",
    },
    strangers={
        # Entra gives it a token for any API of the tenant that asks for no assignment.
        "an application of the tenant without an app role": {
            "azp": "22223333-cccc-4444-dddd-5555eeee6666",
            "oid": _OTHER_OBJECT,
            "sub": _OTHER_OBJECT,
            "roles": None,
        },
        "an application with another app role": {
            "azp": "22223333-cccc-4444-dddd-5555eeee6666",
            "oid": _OTHER_OBJECT,
            "sub": _OTHER_OBJECT,
            "roles": ["Other"],
        },
        "another tenant": {
            "iss": "https://login.microsoftonline.com/ffff0000-9999-8888-7777-666655554444/v2.0",
            "tid": "ffff0000-9999-8888-7777-666655554444",
        },
    },
)

ENTRA_V1: Final = replace(
    # The same page, for APIs whose `requestedAccessTokenVersion` is not 2.
    ENTRA,
    name="entra-id-v1",
    setting="entra-v1",
    principal=f"entra-v1:{_OBJECT}",
    issuer=f"https://sts.windows.net/{_TENANT}/",
    audience="api://11112222-bbbb-3333-cccc-4444dddd5555",
    header={"typ": "JWT", "x5t": "example-thumbprint"},
    claims={
        "aio": "E2ZgYPj/example",
        "appid": _CLIENT,
        "appidacr": "1",
        "idp": f"https://sts.windows.net/{_TENANT}/",
        "oid": _OBJECT,
        "rh": "0.AXkAexample",
        "roles": ["Train"],
        "sub": _OBJECT,
        "tid": _TENANT,
        "uti": "kJ3jexample",
        "ver": "1.0",
    },
    strangers={
        "an application of the tenant without an app role": {
            "appid": "22223333-cccc-4444-dddd-5555eeee6666",
            "oid": _OTHER_OBJECT,
            "sub": _OTHER_OBJECT,
            "roles": None,
        },
        "another tenant": {
            "iss": "https://sts.windows.net/ffff0000-9999-8888-7777-666655554444/",
            "tid": "ffff0000-9999-8888-7777-666655554444",
        },
    },
)

GOOGLE: Final = Platform(
    # https://cloud.google.com/docs/authentication/token-types ("Service account ID tokens") and
    # https://cloud.google.com/compute/docs/instances/verifying-instance-identity.  `azp` is `sub`.
    name="google",
    setting="google",
    principal="google:102817471284392839103",
    issuer="https://accounts.google.com",
    audience="https://gate.example",
    nbf_before=None,
    has_jti=False,
    claims={
        "azp": "102817471284392839103",
        "email": "trainer@my-project.iam.gserviceaccount.com",
        "email_verified": True,
        "sub": "102817471284392839103",
        "google": {
            "compute_engine": {
                "instance_creation_timestamp": 1764288000,
                "instance_id": "7234567890123456789",
                "instance_name": "train-1",
                "project_id": "my-project",
                "project_number": 123456789012,
                "zone": "europe-west3-a",
            }
        },
    },
    strangers={
        "another service account": {
            "azp": "118200000000000000001",
            "email": "trainer@mallory.iam.gserviceaccount.com",
            "sub": "118200000000000000001",
            "google": None,
        },
        # Deleted and made again, perhaps by somebody else: the address is the same.
        "a new account under the same address": {
            "azp": "118200000000000000002",
            "sub": "118200000000000000002",
        },
        "a person who says that the address is theirs": {
            "azp": "1234987819200.apps.googleusercontent.com",
            "email_verified": False,
            "sub": "107691503500061507151",
            "google": None,
        },
    },
)

PLATFORMS: Final = (GITHUB, GITLAB, KUBERNETES, AWS, ENTRA, ENTRA_V1, GOOGLE)
