"""Every text of a body is found, with the place it stands in."""

from __future__ import annotations

from headgate.shields.messages import Text, texts


def test_places_have_one_spelling() -> None:
    message = {"artifactLocation": "a", "artifact_location": "b", "n": 1, "x": None, "t": True}
    assert [*texts(message)] == [Text("artifact_location", "a"), Text("artifact_location", "b")]


def test_depth_and_lists() -> None:
    message = {"config": {"location": "a"}, "tags": [{"key": "b"}, {"key": "c"}], "list": ["d"]}
    assert [*texts(message)] == [
        Text("config.location", "a"),
        Text("tags.key", "b"),
        Text("tags.key", "c"),
        Text("list", "d"),
    ]
    assert Text("config.location", "a").name == "location"


def test_json_within_a_text_is_read_too() -> None:
    message = {"auth_config": ' {"api_base": "http://localhost", "n": ["x"]}', "not": "{json"}
    assert Text("auth_config.api_base", "http://localhost") in texts(message)
    assert Text("auth_config.n", "x") in texts(message)
    assert Text("not", "{json") in texts(message)


def test_json_within_json_is_followed_only_so_far() -> None:
    """However a body is nested, reading it ends."""
    text = '"deep"'
    for _ in range(20):
        text = f"[{text}]"
    assert len([*texts({"a": text})]) == 2
    assert [*texts({"a": "[" * 100_000})] == [Text("a", "[" * 100_000)]
