"""Which new names would be taken, or shown, for another one."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.shields.names import trouble

MARKS = "\u061c\u200e\u200f"
JOINERS = "\u200c\u200d"


@pytest.mark.parametrize("name", ["a%2Fb", "model%20", "%61", "10%data"])
def test_percent_escapes_are_for_names_of_models_alone(name: str) -> None:
    assert trouble(name, model=True) == "a percent-escape"
    assert trouble(name, model=False) == ""


@pytest.mark.parametrize("model", [True, False])
@pytest.mark.parametrize(
    ("name", "what"),
    [
        *((f"a{each}b", "control") for each in "\0\t\n\x9b\x7f\u2028\u2029"),
        *((f"a{each}b", "direction") for each in "\u202a\u202b\u202c\u202d\u202e\u2066\u2069"),
        *((f"a{each}b", "cannot be seen") for each in "\u200b\u2060\ufeff\u00ad\u3164\U000e0061"),
        *(
            (name, "cannot be seen")
            for name in ("team\u200da", "\u200cteam", "x\u200d", "م\u200ca")
        ),
        ("م\u200c\u200cس", "cannot be seen"),
    ],
)
def test_unsafe(name: str, what: str, model: bool) -> None:
    assert what in trouble(name, model=model)


@pytest.mark.parametrize("model", [True, False])
@pytest.mark.parametrize(
    "name",
    [
        *("", "model", "/Users/me/experiment", "100 %", "5%x", "größe", "模型", "مدل", "a b-c_d.e"),
        *(
            "lr\u200e 5",
            "\u200fמדל",
            "نموذج\u061c",
            "می\u200cکنم",
            "क्\u200dष",
            "👨\u200d👩\u200d👧 ❤\ufe0f",
        ),
    ],
)
def test_safe(name: str, model: bool) -> None:
    assert trouble(name, model=model) == ""


@given(st.text(), st.booleans())
def test_what_passes_shows_all_of_itself(name: str, model: bool) -> None:
    """But for the marks of bidirectional text and joiners between letters, nothing is hidden."""
    if trouble(name, model=model):
        return
    for each in name:
        if each not in MARKS + JOINERS:
            assert unicodedata.category(each) != "Cc"
            assert unicodedata.bidirectional(each) not in (
                *("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"),
            )
