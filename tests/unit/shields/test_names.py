"""Which new names would be taken, or shown, for another one."""

from __future__ import annotations

import pytest

from headgate.shields.names import is_unsafe_name


@pytest.mark.parametrize(
    "name", ["a%2Fb", "model%20", "%61", "a\0", "a\tb", "a\x9bb", "a\u202eb", "a\u2066b", "a\u2028"]
)
def test_unsafe(name: str) -> None:
    assert is_unsafe_name(name)


@pytest.mark.parametrize(
    "name",
    ["", "model", "/Users/me/experiment", "100 %", "5%x", "größe", "模型", "مدل", "a b-c_d.e"],
)
def test_safe(name: str) -> None:
    assert not is_unsafe_name(name)
