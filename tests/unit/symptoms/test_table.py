"""Each symptom has a row: a reason, a cause for clients and a cure for operators."""

from __future__ import annotations

import re

import pytest

from headgate.config import Upstream
from headgate.reasons import Fault
from headgate.symptoms import (
    ConnectionFailure,
    DiscoveryFailure,
    ExchangeFailure,
    ResponseFailure,
    Symptom,
    for_upstream,
)

SYMPTOMS: list[Symptom] = [
    *ConnectionFailure,
    *DiscoveryFailure,
    *ExchangeFailure,
    *ResponseFailure,
]
SETTING = re.compile(r"upstreams\.NAME\.([a-z_.]*[a-z_])")
SETTING_OF_CAUSE = re.compile(r"(?:set|see|\() ?([a-z_.]+) of this upstream")
NAME = re.compile(r"[a-z]+(?:_[a-z]+)*")


def test_every_enum_counts() -> None:
    """One that is added has to be tested here, too."""
    assert {type(each) for each in SYMPTOMS} == set(Symptom.__subclasses__())


@pytest.mark.parametrize("symptom", SYMPTOMS)
def test_each_symptom_has_a_reason_a_cause_and_a_cure(symptom: Symptom) -> None:
    asked_for = symptom is ExchangeFailure.PARKED  # by an operator: nobody has to act
    assert asked_for or symptom.reason.fault in {Fault.UPSTREAM, Fault.GATE}
    assert symptom.reason.status >= 400
    assert NAME.fullmatch(symptom.value)
    # A client's sentence goes on behind the cause; a cure stands alone.
    assert symptom.cause[0].isupper()
    assert symptom.cause[-1].isalnum() or symptom.cause.endswith(("?", ")"))
    assert symptom.cure[0].isupper()
    assert symptom.cure.endswith((".", "?"))


@pytest.mark.parametrize("symptom", SYMPTOMS)
def test_a_cure_names_settings_that_there_are(symptom: Symptom) -> None:
    for name in (*SETTING.findall(symptom.cure), *SETTING_OF_CAUSE.findall(symptom.cause)):
        settings: object = Upstream()
        for part in name.split("."):
            assert hasattr(settings, part), name
            settings = getattr(settings, part)


@pytest.mark.parametrize("symptom", SYMPTOMS)
def test_a_cause_is_for_clients(symptom: Symptom) -> None:
    """They do not have the gate's configuration before them."""
    assert "upstreams.NAME" not in symptom.cause


def test_names_are_different_within_an_enum() -> None:
    keys = [(type(each), each.value) for each in SYMPTOMS]
    assert len(set(keys)) == len(keys)


def test_a_cure_in_the_words_of_one_upstream() -> None:
    cure = for_upstream(ConnectionFailure.CERTIFICATE_UNTRUSTED.cure, "lab")
    assert "upstreams.lab.tls.ca" in cure
    assert "NAME" not in cure
