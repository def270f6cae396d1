"""What AWS's errors mean: one table from codes to failures, and a sentence for each.

Sources: docs.aws.amazon.com/AmazonECS/latest/APIReference/CommonErrors.html, the error shapes of
the calls in botocore's models, and botocore's own exceptions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from botocore import exceptions

from headgate.deploy.ecs.errors import PlaneError, PlaneFailure
from headgate.deploy.ecs.permissions import Call

POLICY_PAGE = "docs/reference/ecs-permissions.md"
LONGEST = 400
"""Characters of AWS's own text in a message."""
_F = PlaneFailure
CODES: Final[Mapping[str, PlaneFailure]] = {
    "AccessDenied": _F.ACCESS_DENIED,
    "AccessDeniedException": _F.ACCESS_DENIED,
    "NotAuthorized": _F.ACCESS_DENIED,
    "UnauthorizedOperation": _F.ACCESS_DENIED,
    "ExpiredToken": _F.CREDENTIALS_EXPIRED,
    "ExpiredTokenException": _F.CREDENTIALS_EXPIRED,
    "RequestExpired": _F.CREDENTIALS_EXPIRED,
    "IncompleteSignature": _F.NO_CREDENTIALS,
    "InvalidClientTokenId": _F.NO_CREDENTIALS,
    "InvalidSignatureException": _F.NO_CREDENTIALS,
    "MissingAuthenticationToken": _F.NO_CREDENTIALS,
    "MissingAuthenticationTokenException": _F.NO_CREDENTIALS,
    "OptInRequired": _F.NO_CREDENTIALS,
    "SignatureDoesNotMatch": _F.NO_CREDENTIALS,
    "UnrecognizedClient": _F.NO_CREDENTIALS,
    "UnrecognizedClientException": _F.NO_CREDENTIALS,
    "ClusterNotFoundException": _F.NOT_FOUND,
    "ServiceNotFoundException": _F.NOT_FOUND,
    "ServiceDeploymentNotFoundException": _F.NOT_FOUND,
    "ParameterNotFound": _F.NOT_FOUND,
    "ParameterVersionNotFound": _F.NOT_FOUND,
    "RepositoryNotFoundException": _F.NOT_FOUND,
    "ImageNotFoundException": _F.NOT_FOUND,
    "ResourceNotFoundException": _F.NOT_FOUND,
    "TargetGroupNotFound": _F.NOT_FOUND,
    "NamespaceNotFound": _F.NOT_FOUND,
    "ServiceNotFound": _F.NOT_FOUND,
    "InstanceNotFound": _F.NOT_FOUND,
    "ServiceNotActiveException": _F.INACTIVE,
    "ConflictException": _F.BUSY,
    "BandwidthLimitExceeded": _F.THROTTLED,
    "PriorRequestNotComplete": _F.THROTTLED,
    "RequestLimitExceeded": _F.THROTTLED,
    "RequestThrottled": _F.THROTTLED,
    "RequestThrottledException": _F.THROTTLED,
    "SlowDown": _F.THROTTLED,
    "Throttling": _F.THROTTLED,
    "ThrottledException": _F.THROTTLED,
    "ThrottlingException": _F.THROTTLED,
    "TooManyRequestsException": _F.THROTTLED,
    "TooManyUpdates": _F.THROTTLED,
    "InternalFailure": _F.UNREACHABLE,
    "InternalServerError": _F.UNREACHABLE,
    "InternalServiceError": _F.UNREACHABLE,
    "ServerException": _F.UNREACHABLE,
    "ServiceUnavailable": _F.UNREACHABLE,
    "NotImplemented": _F.UNSUPPORTED,
    "NotImplementedError": _F.UNSUPPORTED,
    "PlatformUnknownException": _F.UNSUPPORTED,
    "UnknownOperationException": _F.UNSUPPORTED,
    "UnsupportedFeatureException": _F.UNSUPPORTED,
    "BlockedException": _F.INVALID,
    "ClientException": _F.INVALID,
    "InvalidInput": _F.INVALID,
    "InvalidParameterException": _F.INVALID,
    "LimitExceededException": _F.INVALID,
    "PlatformTaskDefinitionIncompatibilityException": _F.INVALID,
    "ValidationError": _F.INVALID,
    "ValidationException": _F.INVALID,
}
_KINDS: Final[tuple[tuple[type[Exception], PlaneFailure], ...]] = (
    (exceptions.NoRegionError, _F.NO_REGION),
    (exceptions.UnauthorizedSSOTokenError, _F.CREDENTIALS_EXPIRED),
    (exceptions.SSOTokenLoadError, _F.CREDENTIALS_EXPIRED),
    (exceptions.TokenRetrievalError, _F.CREDENTIALS_EXPIRED),
    (exceptions.SSOError, _F.CREDENTIALS_EXPIRED),
    (exceptions.NoCredentialsError, _F.NO_CREDENTIALS),
    (exceptions.PartialCredentialsError, _F.NO_CREDENTIALS),
    (exceptions.CredentialRetrievalError, _F.NO_CREDENTIALS),
    (exceptions.ProfileNotFound, _F.NO_CREDENTIALS),
    (exceptions.ConnectionError, _F.UNREACHABLE),
    (exceptions.HTTPClientError, _F.UNREACHABLE),
    (exceptions.ParamValidationError, _F.INVALID),
)
RETRYABLE = frozenset({_F.THROTTLED, _F.UNREACHABLE, _F.BUSY})
_SECRETIVE = frozenset({_F.NO_CREDENTIALS, _F.CREDENTIALS_EXPIRED})
"""Failures whose text from AWS may quote the signed request, and with it a session token."""
_CURES: Final[Mapping[PlaneFailure, str]] = {
    _F.ACCESS_DENIED: "these credentials may not do {action} on {resource} in {region}: allow it "
    f"in the operator's IAM policy ({POLICY_PAGE})",
    _F.CREDENTIALS_EXPIRED: "the AWS session has expired (at {action} in {region}): log in again, "
    "for example with: aws sso login; then repeat the command",
    _F.NO_CREDENTIALS: "AWS was given no valid credentials for {action} in {region}: set "
    "AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), for the "
    "right account; see: aws sts get-caller-identity",
    _F.NO_REGION: "no AWS region is set: give --region or set AWS_REGION",
    _F.UNREACHABLE: "AWS cannot be reached for {action} in {region}, or fails itself: look at the "
    "network, the region's name and AWS_ENDPOINT_URL, then repeat the command",
    _F.NOT_FOUND: "there is no {resource} in {region}: look at the name, --region and the account",
    _F.INACTIVE: "{resource} in {region} is not active: it was deleted, or is being deleted",
    _F.BUSY: "{resource} in {region} is being changed by somebody else: see headgate ecs status",
    _F.THROTTLED: "AWS throttles {action} in {region}, after {attempts} attempts: something else "
    "in the account makes many calls; repeat the command in a minute",
    _F.INVALID: "AWS does not accept {action} on {resource} in {region}",
    _F.UNSUPPORTED: "{action} is not supported for {resource} in {region}",
    _F.OTHER: "AWS failed at {action} on {resource} in {region}",
}


def code_of(error: Exception) -> str:
    """The code of an error that AWS responded with; empty for any other."""
    return str(_details(error).get("Code", ""))


def failure_of(error: Exception) -> PlaneFailure:
    """What an error of boto3 means."""
    code = code_of(error)
    message = str(_details(error).get("Message", ""))
    if "inactive" in message.lower() and code in {"ClientException", "InvalidParameterException"}:
        return PlaneFailure.INACTIVE
    if code == "ClientException" and "unable to describe task definition" in message.lower():
        return PlaneFailure.NOT_FOUND
    if code in CODES:
        return CODES[code]
    if code and _status(error) >= 500:
        return PlaneFailure.UNREACHABLE
    kinds = (failure for kind, failure in _KINDS if isinstance(error, kind))
    return next(kinds, PlaneFailure.OTHER)


def plane_error(
    error: Exception, call: Call, resource: str, region: str, attempts: int = 1
) -> PlaneError:
    """One sentence that names the action, what it was for and the cure."""
    failure = failure_of(error)
    sentence = _CURES[failure].format(
        action=call.action, resource=resource, region=region, attempts=attempts
    )
    said = _clause(error, failure)
    return PlaneError(
        failure, f"{sentence}{f' ({said})' if said else ''}", retryable=failure in RETRYABLE
    )


def _clause(error: Exception, failure: PlaneFailure) -> str:
    code = code_of(error)
    if failure is PlaneFailure.NO_REGION:
        return ""
    if failure in _SECRETIVE:
        return code or type(error).__name__
    message = str(_details(error).get("Message", "")) if code else str(error)
    said = " ".join(f"{code}: {message}".strip(": ").split()).rstrip(".")
    return said if len(said) <= LONGEST else f"{said[:LONGEST]}…"


def _details(error: Exception) -> Mapping[str, Any]:
    response = getattr(error, "response", None)
    details = response.get("Error", {}) if isinstance(response, Mapping) else {}
    return details if isinstance(details, Mapping) else {}


def _status(error: Exception) -> int:
    response = getattr(error, "response", None)
    metadata = response.get("ResponseMetadata", {}) if isinstance(response, Mapping) else {}
    return int(metadata.get("HTTPStatusCode", 0))
