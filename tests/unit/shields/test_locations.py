"""Which locations artifacts may be said to lie at."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.config import Shields
from headgate.shields.locations import is_allowed

DEFAULT = Shields().locations


@pytest.mark.parametrize(
    "location",
    [
        "mlflow-artifacts:/1/0123456789abcdef0123456789abcdef/artifacts",
        "mlflow-artifacts:/",
        "mlflow-artifacts:///1/artifacts",
        "mlflow-artifacts:1",
        "mlflow-artifacts:/1//63/artifacts/model",
        "mlflow-artifacts:/1/63/artifacts//2/63/artifacts/model",
        "runs:/0123456789abcdef0123456789abcdef/model",
        "models:/m-0123456789abcdef",
        "models:/a model/1",
        "models:/a model@champion",
        "models:/m-1/",
    ],
)
def test_what_clients_send_is_allowed(location: str) -> None:
    assert is_allowed(location, DEFAULT)


@pytest.mark.parametrize(
    "location",
    [
        "/etc",
        "etc",
        ".",
        "file:///etc",
        "file:/etc",
        "FILE:///etc",
        "s3://bucket/x",
        "dbfs:/x",
        "http:///#/../../etc",
        "http:///?/../../etc",
        "http://host/x",
        "ftp://host/x",
        "mlflow-artifacts:/../../etc",
        "mlflow-artifacts:/1/..",
        "mlflow-artifacts:..",
        "mlflow-artifacts:/%2e%2e/etc",
        "mlflow-artifacts:/1#/../../etc",
        "mlflow-artifacts:/1?a=/../../etc",
        "mlflow-artifacts:/1;/../../etc",
        "mlflow-artifacts://evil.example/1",
        "mlflow-artifacts://user@evil.example/1",
        "mlflow-artifacts:////etc",
        "mlflow-artifacts://1/63/artifacts",
        "mlflow-artifacts:////evil.example/1",
        "mlflow-artifacts:/1//../../etc",
        "mlflow-artifacts:/1//63/artifacts//..",
        "Mlflow-Artifacts:/1",
        "models://evil.example/x",
        "runs:/1\\..\\..",
        "runs:/1\0",
        " runs:/1",
        "runs:/1\n",
        "runs:1",
        "xruns:/1",
    ],
)
def test_what_could_be_followed_elsewhere_is_not(location: str) -> None:
    assert not is_allowed(location, DEFAULT)


@pytest.mark.parametrize(
    ("prefix", "location", "allowed"),
    [
        ("s3://bucket/", "s3://bucket/1/artifacts", True),
        ("s3://bucket/", "s3://bucket/", True),
        ("s3://bucket/", "s3://bucket", False),
        ("s3://bucket", "s3://bucket", True),
        ("s3://bucket", "s3://bucket/1", True),
        ("s3://bucket", "s3://bucket-of-another/1", False),
        ("s3://bucket", "s3://bucket@evil.example/1", False),
        ("s3://bucket/team/", "s3://bucket/team/../other", False),
        ("s3://bucket/team/", "s3://bucket/team//x", False),
        (
            "wasbs://box@account.blob.core.windows.net/",
            "wasbs://box@account.blob.core.windows.net/1",
            True,
        ),
        ("/mnt/mlruns", "/mnt/mlruns/1", True),
        ("/mnt/mlruns", "/mnt/mlruns-of-another", False),
    ],
)
def test_prefixes_of_an_operator(prefix: str, location: str, allowed: bool) -> None:
    """A prefix ends where a segment does, whether or not it is written with a final slash."""
    assert is_allowed(location, [prefix]) is allowed


@given(st.text(), st.sampled_from(DEFAULT))
def test_nothing_that_passes_climbs_or_can_be_cut(rest: str, prefix: str) -> None:
    location = prefix + rest
    if is_allowed(location, DEFAULT):
        assert not set("#?;%\\\0") & set(location)
        assert ".." not in location.replace(":", "/").split("/")
