"""The reader of Prometheus' text format takes what is right and nothing else."""

from __future__ import annotations

import pytest

from tests.support.prometheus import FormatError, parse

HEAD = "# HELP m Things.\n# TYPE m counter\n"
HISTOGRAM = "# HELP h Times.\n# TYPE h histogram\n"
BUCKETS = 'h_bucket{le="0.5"} 1\nh_bucket{le="+Inf"} 3\n'


def test_labels_are_unescaped() -> None:
    family = parse(HEAD + 'm{a="x\\"y\\\\z\\nw",b=""} 3\nm 4\n')["m"]
    assert family.value(a='x"y\\z\nw', b="") == 3
    assert family.value() == 4
    assert family.value(a="other") == 0
    assert family.total() == 7
    assert family.total(b="") == 3


def test_a_whole_histogram() -> None:
    family = parse(f"{HISTOGRAM}{BUCKETS}h_sum 4.25\nh_count 3\n")["h"]
    assert family.samples["h_sum", frozenset()] == 4.25


@pytest.mark.parametrize(
    "text",
    [
        "",
        "m 1\n",
        HEAD + "m 1",
        HEAD + "m one\n",
        HEAD + "m  1\n",
        HEAD + "other 1\n",
        HEAD + "m 1\nm 2\n",
        HEAD + 'm{a="1",a="2"} 1\n',
        HEAD + 'm{a="1",} 1\n',
        HEAD + 'm{a="x"y"} 1\n',
        HEAD + 'm{a="\\t"} 1\n',
        HEAD + "m{a=1} 1\n",
        HEAD + HEAD,
        "# HELP m Things.\nm 1\n",
        "# TYPE m counter\nm 1\n",
        "# HELP m Things.\n# TYPE n counter\n",
        HISTOGRAM + BUCKETS,
        HISTOGRAM + "h_sum 1\nh_count 3\n",
        HISTOGRAM + 'h_bucket{le="0.5"} 3\nh_sum 1\nh_count 3\n',
        HISTOGRAM + BUCKETS + "h_sum 1\nh_count 4\n",
        HISTOGRAM + 'h_bucket{le="0.5"} 2\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n',
        HISTOGRAM + 'h_bucket{le="+Inf"} 1\nh_bucket{le="0.5"} 1\nh_sum 1\nh_count 1\n',
    ],
)
def test_what_is_not_in_the_format_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        parse(text)
