"""Requests and responses of the stand-in are held to botocore's model of ECS."""

from __future__ import annotations

import pytest

from headgate.testing.ecs import shapes


def test_a_response_with_an_invented_field_is_a_defect() -> None:
    document = {"services": [{"serviceName": "gate", "colour": "green"}], "failures": []}
    with pytest.raises(shapes.InvalidResponseError, match="colour"):
        shapes.response("DescribeServices", document)


def test_a_response_with_a_value_of_another_type_is_a_defect() -> None:
    with pytest.raises(shapes.InvalidResponseError, match="desiredCount"):
        shapes.response("DescribeServices", {"services": [{"desiredCount": "two"}]})


def test_a_response_is_without_what_is_none_and_has_times_as_seconds() -> None:
    document = {"services": [{"serviceName": "gate", "createdAt": 1.5, "roleArn": None}]}
    assert shapes.response("DescribeServices", document) == {
        "services": [{"serviceName": "gate", "createdAt": 1.5}]
    }


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        ({"services": ["gate"]}, ""),
        ({}, "Missing required parameter"),
        ({"services": ["gate"], "colour": "green"}, "Unknown parameter"),
        ({"services": "gate"}, "Invalid type"),
    ],
)
def test_a_request_is_held_to_the_model(request_: dict[str, object], problem: str) -> None:
    found = shapes.request_problem("DescribeServices", request_)
    assert problem in found
    assert bool(found) == bool(problem)
