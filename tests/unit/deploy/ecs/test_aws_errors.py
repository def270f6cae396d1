"""What AWS's errors become: one sentence, and whether to try again."""

from __future__ import annotations

import botocore.session
import pytest
from botocore import exceptions

from headgate.deploy.ecs import permissions
from headgate.deploy.ecs.aws.calls import BACKOFF, Calls
from headgate.deploy.ecs.aws.errors import CODES, LONGEST, plane_error
from headgate.deploy.ecs.errors import PlaneError, PlaneFailure
from tests.support.aws_double import AwsDouble, ManualClock, refused

CANARY = "Canary-session-token"
RESOURCE = "service 'gate' of cluster 'c'"
F = PlaneFailure


def sentence(error: Exception, attempts: int = 1) -> PlaneError:
    return plane_error(error, permissions.SERVICE, RESOURCE, "eu-west-1", attempts)


@pytest.mark.parametrize("code", sorted(CODES))
def test_each_code_is_a_sentence_that_names_the_region_or_the_action(code: str) -> None:
    error = sentence(refused(code, "said\nAWS."))
    assert error.failure is CODES[code]
    text = str(error)
    assert "\n" not in text
    assert "{" not in text
    assert "eu-west-1" in text
    assert code in text
    assert error.retryable == (error.failure in {F.THROTTLED, F.UNREACHABLE, F.BUSY})


def test_every_error_that_the_calls_declare_is_known() -> None:
    unknown = set()
    for call in permissions.CALLS:
        model = botocore.session.get_session().get_service_model(call.client)
        names = {each.lower().replace("_", ""): each for each in model.operation_names}
        shapes = model.operation_model(names[call.method.replace("_", "")]).error_shapes
        unknown |= {each.metadata.get("error", {}).get("code", each.name) for each in shapes}
    parameters = {
        "ParameterAlreadyExists", "ParameterLimitExceeded", "ParameterMaxVersionLimitExceeded",
        "ParameterPatternMismatchException", "UnsupportedParameterType",
        "PoliciesLimitExceededException",
        "HierarchyLevelLimitExceededException", "HierarchyTypeMismatchException", "InvalidKeyId",
        "InvalidAllowedPatternException", "InvalidPolicyTypeException",
        "InvalidPolicyAttributeException", "IncompatiblePolicyException", "LoadBalancerNotFound",
        "InvalidNextToken", "NamespaceNotFoundException", "TargetNotFoundException",
        "ResourceInUseException", "InternalServiceFault",
    }  # fmt: skip
    assert unknown - set(CODES) <= parameters


@pytest.mark.parametrize(
    ("error", "failure", "said"),
    [
        (exceptions.NoCredentialsError(), F.NO_CREDENTIALS, "AWS_PROFILE"),
        (exceptions.PartialCredentialsError(provider="env", cred_var="x"), F.NO_CREDENTIALS, "AWS"),
        (exceptions.ProfileNotFound(profile="p"), F.NO_CREDENTIALS, "AWS_PROFILE"),
        (exceptions.NoRegionError(), F.NO_REGION, "give --region"),
        (exceptions.UnauthorizedSSOTokenError(), F.CREDENTIALS_EXPIRED, "aws sso login"),
        (exceptions.SSOTokenLoadError(error_msg="x"), F.CREDENTIALS_EXPIRED, "aws sso login"),
        (exceptions.EndpointConnectionError(endpoint_url="http://x"), F.UNREACHABLE, "http://x"),
        (exceptions.ConnectTimeoutError(endpoint_url="http://x"), F.UNREACHABLE, "network"),
        (exceptions.ReadTimeoutError(endpoint_url="http://x"), F.UNREACHABLE, "network"),
        (exceptions.ParamValidationError(report="bad"), F.INVALID, "bad"),
        (refused("500", "<html>", 500), F.UNREACHABLE, "fails itself"),
        (refused("Strange", "new"), F.OTHER, "Strange: new"),
        (refused("ClientException", "TaskDefinition is inactive"), F.INACTIVE, "inactive"),
        (refused("ClientException", "Unable to describe task definition."), F.NOT_FOUND, RESOURCE),
        (refused("ClientException", "other"), F.INVALID, "other"),
    ],
)
def test_errors_that_come_without_a_code_of_their_own(
    error: Exception, failure: PlaneFailure, said: str
) -> None:
    found = sentence(error)
    assert found.failure is failure
    assert said in str(found)


def test_a_missing_permission_is_named_with_what_it_is_for() -> None:
    text = str(sentence(refused("AccessDeniedException", "User: arn:x is not authorized")))
    assert "ecs:DescribeServices" in text
    assert RESOURCE in text
    assert "docs/reference/ecs-permissions.md" in text


@pytest.mark.parametrize("code", ["InvalidSignatureException", "ExpiredToken", "RequestExpired"])
def test_what_may_quote_a_signed_request_is_not_repeated(code: str) -> None:
    found = sentence(refused(code, f"canonical request: x-amz-security-token:{CANARY}"))
    assert CANARY not in f"{found} {found!r}"


def test_long_texts_of_aws_are_cut() -> None:
    assert len(str(sentence(refused("ClientException", "x" * 5000)))) < LONGEST + 300


def calls(aws: AwsDouble, clock: ManualClock) -> Calls:
    return Calls(clock, "eu-west-1", aws.client)


def test_throttling_is_waited_for_and_then_succeeds() -> None:
    left = [refused("ThrottlingException"), refused("Throttling")]

    def describe(**_parameters: object) -> dict[str, object]:
        if left:
            raise left.pop()
        return {"services": []}

    aws, clock = AwsDouble({"ecs.describe_services": describe}), ManualClock()
    began = clock.monotonic()
    assert calls(aws, clock).ask(permissions.SERVICE, RESOURCE, services=["s"]) == {"services": []}
    assert aws.count("ecs.describe_services") == 3
    assert 3.0 <= clock.monotonic() - began <= 4.5


def test_throttling_without_end_is_a_sentence_after_a_bounded_time() -> None:
    def describe(**_parameters: object) -> dict[str, object]:
        raise refused("ThrottlingException", "Rate exceeded")

    aws, clock = AwsDouble({"ecs.describe_services": describe}), ManualClock()
    began = clock.monotonic()
    with pytest.raises(PlaneError, match=r"throttles ecs:DescribeServices .* 7 attempts") as caught:
        calls(aws, clock).ask(permissions.SERVICE, RESOURCE, services=["s"])
    assert caught.value.failure is F.THROTTLED
    assert caught.value.retryable
    assert sum(BACKOFF) <= clock.monotonic() - began <= 1.5 * sum(BACKOFF)


def test_a_refusal_is_not_repeated() -> None:
    def describe(**_parameters: object) -> dict[str, object]:
        raise refused("AccessDeniedException")

    aws = AwsDouble({"ecs.describe_services": describe})
    with pytest.raises(PlaneError):
        calls(aws, ManualClock()).ask(permissions.SERVICE, RESOURCE, services=["s"])
    assert aws.count("ecs.describe_services") == 1


def test_a_call_that_the_installed_boto3_does_not_know_says_what_to_upgrade() -> None:
    old = permissions.Call(
        "ecs", "call_of_tomorrow", "ecs:CallOfTomorrow", permissions.Scope.ANY, (), "x"
    )
    with pytest.raises(PlaneError, match="pip install --upgrade boto3") as caught:
        calls(AwsDouble({}), ManualClock()).ask(old, RESOURCE)
    assert caught.value.failure is F.UNSUPPORTED
