"""A journal that is not as Headgate writes it is refused, and the sentence names the field."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import pytest

from headgate.deploy.fields import Fields


class Colour(StrEnum):
    """A name."""

    RED = "red"


def test_fields_are_read_as_they_were_written() -> None:
    document = {"version": 2, "a": "x", "b": "y", "c": 1, "d": True, "e": "red", "f": [{}, {}]}
    fields = Fields(document, "version", "a", "b", "c", "d", "e", "f")
    fields.require("version", 2)
    assert fields.texts("a", "b") == {"a": "x", "b": "y"}
    assert (fields.number("c"), fields.flag("d")) == (1.0, True)
    assert fields.named("e", Colour) is Colour.RED
    assert fields.each("f", lambda _: "item") == ("item", "item")
    assert fields.one("c", str) == fields.optional("c", str) == "1"
    assert Fields({"a": None}, "a").optional("a", str) is None


@pytest.mark.parametrize("document", [None, [], "text", 1])
def test_only_an_object_has_fields(document: object) -> None:
    with pytest.raises(ValueError, match="an object was expected"):
        Fields(document)


@pytest.mark.parametrize("document", [{}, {"a": 1, "b": 2, "c": 3}])
def test_fields_that_are_missing_or_unknown_are_named(document: object) -> None:
    with pytest.raises(ValueError, match="missing or unknown members: "):
        Fields(document, "a", "b")


@pytest.mark.parametrize(
    ("value", "read", "said"),
    [
        (3, lambda fields: fields.require("a", 2), "it has a 3, and this Headgate knows 2"),
        (1, lambda fields: fields.text("a"), "'a' is not a text"),
        (None, lambda fields: fields.texts("a"), "'a' is not a text"),
        ("blue", lambda fields: fields.named("a", Colour), "'blue' is not a valid Colour"),
        (True, lambda fields: fields.number("a"), "'a' is not a number"),
        ("1", lambda fields: fields.number("a"), "'a' is not a number"),
        (1, lambda fields: fields.flag("a"), "'a' is not true or false"),
        ({}, lambda fields: fields.each("a", str), "'a' is not a list"),
    ],
)
def test_a_field_of_another_kind_is_refused(
    value: object, read: Callable[[Fields], object], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        read(Fields({"a": value}, "a"))
