"""Tags about a trace's place are found in each way in which messages hold tags."""

from __future__ import annotations

from typing import Any

import pytest

from headgate.contract.trace_tags import location_tags

NAME = "mlflow.artifactLocation"


@pytest.mark.parametrize(
    ("message", "values"),
    [
        ({"key": NAME, "value": "s3://a"}, ["s3://a"]),
        ({"key": NAME, "value": 1}, [""]),
        ({"tags": [{"key": "other"}, {"key": NAME.upper(), "value": "b"}, 1]}, ["b"]),
        ({"info": {"tags": {NAME: "c"}}}, ["c"]),
        ([{"a": [{NAME: "d"}]}], ["d"]),
        ({"mlflow.artifact\u200bLocation": "e"}, ["e"]),
        ("text", []),
        (None, []),
    ],
)
def test_where_they_stand(message: Any, values: list[str]) -> None:
    assert [tag.value for tag in location_tags(message)] == values
