"""Limits in the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.config import Config, load
from headgate.config.limits import RequestRate, parse_rate
from headgate.dataplane.request_rules import failure_rate, request_rules
from headgate.errors import ConfigError
from headgate.limits import UNLIMITED
from headgate.model import REQUEST_CLASSES


def configured(tmp_path: Path, text: str) -> Config:
    file = tmp_path / "headgate.toml"
    file.write_text(text)
    return load(file, {})


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("20/s", RequestRate(20, 20)),
        ("0.5/s", RequestRate(0.5, 1)),
        ("1.5/s", RequestRate(1.5, 2)),
        ("30/min", RequestRate(0.5, 1)),
        ("30/min burst 100", RequestRate(0.5, 100)),
        ("7200 / h, burst 3", RequestRate(2, 3)),
        ("unlimited", None),
    ],
)
def test_rates(text: str, rate: RequestRate | None) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("20", "is not a rate such as '20/s', '30/min burst 100' or 'unlimited'"),
        ("", "is not a rate"),
        ("20/d", "is not a rate"),
        ("-1/s", "is not a rate"),
        ("1e3/s", "is not a rate"),
        ("\u0662/s", "is not a rate"),
        ("20/s burst", "is not a rate"),
        ("20/s burst 2.5", "is not a rate"),
        ("nan/s", "is not a rate"),
        ("0/s", "must be over 0 and at most 100000 per second"),
        ("0.0/h", "must be over 0"),
        ("100001/s", "must be over 0 and at most 100000 per second"),
        ("20/s burst 0", "must have a burst of at least 1 and at most 1000000"),
        ("20/s burst 1000001", "must have a burst of at least 1"),
    ],
)
def test_what_is_no_rate(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_rate(text)


def test_without_a_word_nothing_but_strangers_has_a_rate() -> None:
    config = load(None, {})
    rules = request_rules(config.limits)
    assert set(rules.rates) == {UNLIMITED}
    assert not rules.terms(()).has_rates
    assert (rules.share, rules.roles) == (0.5, {})
    assert str(failure_rate(config.limits)) == "20 per second, burst 500"


def test_every_class_has_a_setting() -> None:
    names = {f"HEADGATE_LIMITS__RATES__{each.name.upper()}": "5/s" for each in REQUEST_CLASSES}
    rules = request_rules(load(None, names).limits)
    assert [str(rate) for rate in rules.rates] == ["5 per second, burst 5"] * len(REQUEST_CLASSES)


def test_roles_have_limits_of_their_own(tmp_path: Path) -> None:
    config = configured(
        tmp_path,
        """
        [limits.rates]
        reads = "5/s"
        [limits.roles.ci]
        weight = 4
        in_flight_share = 0.2
        [limits.roles.ci.rates]
        reads = "unlimited"
        writes = "9/s"
        [limits.roles.viewer]
        weight = 0.5
        [roles.ci]
        grants = ["read:runs"]
        """,
    )
    rules = request_rules(config.limits)
    ci, viewer = rules.terms(("ci",)), rules.terms(("viewer",))
    assert (ci.weight, ci.most) == (4, 200)
    assert [str(rate) for rate in ci.rates[:2]] == ["None", "9 per second, burst 9"]
    assert (viewer.weight, viewer.most) == (0.5, 500)
    assert str(viewer.rates[0]) == "5 per second, burst 5"


def test_all_problems_have_their_paths(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        configured(
            tmp_path,
            """
            [limits]
            in_flight_share = 0
            failed_authentications = "often"
            [limits.rates]
            reads = "0/s"
            uploads = "1/s"
            [limits.roles.viewer]
            weight = 0
            [limits.roles.viewer.rates]
            writes = 7
            """,
        )
    assert {problem.path for problem in caught.value.problems} == {
        "limits.in_flight_share",
        "limits.failed_authentications",
        "limits.rates.reads",
        "limits.rates.uploads",
        "limits.roles.viewer.weight",
        "limits.roles.viewer.rates.writes",
    }


def test_a_role_that_does_not_exist_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        configured(tmp_path, "[limits.roles.nobody]\nweight = 2\n")
    (problem,) = caught.value.problems
    assert problem.path == "limits.roles.nobody"
    assert problem.message.startswith("there is no such role; the roles are admin, ")
