"""Configurations are filled in whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.peers.launch import fill, placed


def test_each_place_of_a_template_gets_its_value(tmp_path: Path) -> None:
    file = fill("Caddyfile", tmp_path, port=1234, upstream="127.0.0.1:5678", key="the-key")
    text = file.read_text(encoding="utf-8")
    for part in ("http://127.0.0.1:1234 {", "reverse_proxy 127.0.0.1:5678 {", '"Bearer the-key"'):
        assert part in text
    assert f"output file {tmp_path}/access.log" in text
    assert "@port@" not in text


def test_a_place_without_a_value_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="upstream"):
        fill("Caddyfile", tmp_path, port=1234, key="the-key")


def test_a_block_is_placed_on_its_cores_and_what_follows_is_not() -> None:
    before = os.sched_getaffinity(0)
    one = min(before)
    with placed([one]):
        assert os.sched_getaffinity(0) == {one}
    assert os.sched_getaffinity(0) == before
