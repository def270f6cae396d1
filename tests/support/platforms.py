"""Where programs get their tokens on each platform: stand-ins for the services that they ask.

Each registers itself at a running issuer and returns the URL to ask in the place of the real one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from tests.support.issuers import Issuer, Request, Response
from tests.support.signing import as_json

Claims = Callable[[str], Mapping[str, Any]]
"""The claims of a token, by its audience."""

GITHUB_REQUEST_TOKEN: Final = "request-token-of-the-job"
ENTRA_SECRET: Final = "secret~of.the_application"


def github_runner(issuer: Issuer, claims: Claims) -> str:
    """What ACTIONS_ID_TOKEN_REQUEST_URL leads to (``getIDToken`` of @actions/core)."""

    def respond(request: Request) -> Response:
        if request.fields.get("authorization") != f"Bearer {GITHUB_REQUEST_TOKEN}":
            return Response(b'{"message":"not authorised"}', 401)
        token = issuer.token(claims(request.query["audience"]))
        return Response(as_json({"count": 1, "value": token}))

    issuer.routes["/idtoken"] = respond
    return f"{issuer.url}/idtoken?api-version=2.0"


def aws_sts(issuer: Issuer, claims: Claims) -> str:
    """STS with ``GetWebIdentityToken``, in the query protocol (API_GetWebIdentityToken.html)."""

    def respond(request: Request) -> Response:
        form = request.form
        if form["Action"] != "GetWebIdentityToken" or "AWS4-HMAC-SHA256" not in request.fields.get(
            "authorization", ""
        ):
            return Response(b"<ErrorResponse/>", 400, "text/xml")
        made = dict(claims(form["Audience.member.1"]))
        made["exp"] = made["iat"] + int(form.get("DurationSeconds", "300"))
        token = issuer.token(made)
        body = (
            '<GetWebIdentityTokenResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
            f"<GetWebIdentityTokenResult><WebIdentityToken>{token}</WebIdentityToken>"
            "<Expiration>2030-01-01T00:00:00Z</Expiration></GetWebIdentityTokenResult>"
            "</GetWebIdentityTokenResponse>"
        )
        return Response(body.encode(), content_type="text/xml")

    issuer.routes["/"] = respond
    return issuer.url


def entra_tokens(issuer: Issuer, path: str, claims: Claims) -> str:
    """The token endpoint of a tenant (v2-oauth2-client-creds-grant-flow)."""

    def respond(request: Request) -> Response:
        form = request.form
        audience, _, default = form["scope"].rpartition("/")
        if form["client_secret"] != ENTRA_SECRET or default != ".default":
            return Response(b'{"error":"invalid_client"}', 401)
        token = issuer.token(claims(audience))
        return Response(as_json({"token_type": "Bearer", "access_token": token}))

    issuer.routes[path] = respond
    return issuer.url + path


def google_metadata(issuer: Issuer, claims: Claims) -> str:
    """The metadata server's ``identity`` (cloud.google.com/compute/docs/metadata)."""
    path = "/computeMetadata/v1/instance/service-accounts/default/identity"

    def respond(request: Request) -> Response:
        if request.fields.get("metadata-flavor") != "Google":
            return Response(b"Missing Metadata-Flavor:Google header.", 403, "text/html")
        token = issuer.token(claims(request.query["audience"]))
        return Response(token.encode(), content_type="text/html")

    issuer.routes[path] = respond
    return issuer.url
