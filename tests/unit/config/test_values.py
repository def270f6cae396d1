"""Values of the wrong kind or without sense, in every setting, and what is said of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ByteSize

from headgate.config import Config, load
from headgate.errors import ConfigError

RAW = re.compile(r"Input should|valid integer|unable to|instance of|validation|pydantic|\{")


def numbers(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, bool]]:
    """The settings that are numbers, and whether they are whole."""
    for name, each in model.model_fields.items():
        yield from _numbers_of(f"{path}{name}", each.annotation)


def _numbers_of(path: str, annotation: Any) -> Iterator[tuple[str, bool]]:
    if get_origin(annotation) in (Union, UnionType):
        for option in get_args(annotation):
            if option is not NoneType:
                yield from _numbers_of(path, option)
    elif get_origin(annotation) is dict:
        yield from _numbers_of(f"{path}.default", get_args(annotation)[1])
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from numbers(annotation, f"{path}.")
    elif annotation in (int, float, ByteSize):
        yield path, annotation is not float


NUMBERS = dict(numbers(Config))


def problems(path: str, value: object) -> dict[str, str]:
    try:
        load(None, {}, {path: value})
    except ConfigError as error:
        return {problem.path: problem.message for problem in error.problems}
    return {}


def test_the_numbers_are_found() -> None:
    assert NUMBERS["listen.port"]
    assert NUMBERS["limits.body_bytes"]
    assert not NUMBERS["upstreams.default.connect_timeout"]
    assert len(NUMBERS) > 30


@pytest.mark.parametrize("path", NUMBERS)
@pytest.mark.parametrize("value", [True, False, 10**26, 1e300, -(10**26), "10" * 13, "x", [1]])
def test_no_number_is_taken_for_what_it_is_not(path: str, value: object) -> None:
    """``port = true`` is not port 1, and no machine has 10^26 of anything."""
    (message,) = (said for at, said in problems(path, value).items() if at.startswith(path))
    assert message
    assert RAW.search(message) is None


@pytest.mark.parametrize("path", [path for path, whole in NUMBERS.items() if whole])
@pytest.mark.parametrize("value", [1.0, 64.0, 1.5])
def test_a_whole_number_has_no_fraction(path: str, value: float) -> None:
    assert problems(path, value)[path] == f"must be a whole number, not {value!r}"


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
PATHS = st.sampled_from(
    [
        *NUMBERS,
        *("data", "listen", "listen.host", "listen.tls", "listen.trusted_proxies", "auth.mode"),
        *("upstreams", "upstreams.default", "upstreams.default.url", "upstreams.default.prefixes"),
        *("upstreams.default.probes", "upstreams.default.probes.apis", "roles", "roles.a"),
        *("roles.a.grants", "log.access", "limits", "shields"),
    ]
)


@given(PATHS, VALUES)
def test_every_invalid_value_is_reported_in_plain_words(path: str, value: object) -> None:
    for message in problems(path, value).values():
        assert RAW.search(message.replace(repr(value), "")) is None, message


@pytest.mark.parametrize("prefix", ["/health", "/health/", "/health/x", "/-", "/-/x", "/-/"])
def test_no_prefix_hides_the_gates_own_pages(prefix: str) -> None:
    (message,) = problems("upstreams.default.prefixes", [prefix]).values()
    assert "would hide the gate's own pages" in message


@pytest.mark.parametrize("prefix", ["/healthy", "/a/health", "/-a"])
def test_other_prefixes_pass(prefix: str) -> None:
    assert problems("upstreams.default.prefixes", [prefix]) == {}
