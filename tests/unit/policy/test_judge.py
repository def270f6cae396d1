"""What a key may do that depends on what objects are called."""

from __future__ import annotations

import pytest

from headgate.model import ObjectKind
from headgate.policy import (
    ALLOWED,
    Denied,
    ResolvedObject,
    describe,
    judge,
    misfit,
)
from headgate.policy.messages import names_too_many
from tests.support.grants import (
    asked,
    decided,
    having,
    message,
    naming,
)

KEEPS_FILES = (
    "read:artifacts on experiment team-a/*",
    "write:artifacts on experiment team-a/*",
)


def test_a_narrowed_grant_allows_what_fits() -> None:
    needs = asked(having("write:runs on experiment team-a/*"), "runs/create")
    assert judge(needs, naming(needs, experiment_id=("team-a/x",))) == ALLOWED
    assert isinstance(judge(needs, naming(needs, experiment_id=("team-b/x",))), Denied)


def test_no_narrowed_grant_covers_an_object_that_cannot_be_looked_up() -> None:
    needs = asked(having("write:runs on experiment *"), "runs/set-tag")
    for answer in ((), None):
        assert isinstance(judge(needs, naming(needs, run_id=answer)), Denied)


def test_what_lies_in_several_experiments_must_fit_with_all() -> None:
    needs = asked(having("read:datasets on experiment team-a/*"), "datasets/get")
    assert judge(needs, naming(needs, dataset_id=("team-a/x", "team-a/y"))) == ALLOWED
    assert isinstance(judge(needs, naming(needs, dataset_id=("team-a/x", "team-b/x"))), Denied)


def test_every_field_that_names_an_object_must_fit() -> None:
    """MLflow reads ``run_uuid`` as well as ``run_id``, and the metrics' own models."""
    needs = asked(having("write:runs on experiment team-a/*"), "runs/log-metric")
    mine, other = ("team-a/x",), ("team-b/x",)
    assert judge(needs, naming(needs, run_id=mine, run_uuid=mine, model_id=mine)) == ALLOWED
    for field in ("run_id", "run_uuid", "model_id"):
        named = naming(needs, **{"run_id": mine, "run_uuid": mine, "model_id": mine, field: other})
        assert isinstance(judge(needs, named), Denied)


def test_a_search_has_to_name_experiments_all_of_which_fit() -> None:
    needs = asked(having("read:runs on experiment team-a/*"), "runs/search")
    (field,) = needs.fields
    mine, other = (
        ResolvedObject(field, "1", ("team-a/x",)),
        ResolvedObject(field, "2", ("team-b/x",)),
    )
    assert judge(needs, [mine, mine]) == ALLOWED
    assert isinstance(judge(needs, [mine, other]), Denied)
    assert message(judge(needs, [])) == (
        "Headgate refused: your key 'ci' may read runs only in experiments called 'team-a/*', and "
        "the request names none; name one in experiment_ids, or ask the gate's operator for role "
        "viewer."
    )


@pytest.mark.parametrize(
    ("grant", "operation"),
    [
        ("read:experiments on experiment *", "experiments/search"),
        ("read:models on model *", "registered-models/search"),
        ("read:models on model *", "model-versions/search"),
        ("*:* on experiment *", "graphql"),
        ("*:* on experiment *", "review-queues/get"),
    ],
)
def test_what_answers_for_all_is_denied_to_a_narrowed_key(grant: str, operation: str) -> None:
    assert "which the gate does not filter" in message(decided(having(grant), operation))


def test_a_grant_for_models_says_nothing_about_experiments_and_vice_versa() -> None:
    assert "is not limited to them" in message(
        decided(having("read:artifacts on experiment *"), "artifacts/get-of-version")
    )
    assert "is not limited to them" in message(
        decided(having("read:artifacts on model *"), "artifacts/get")
    )


def test_a_name_that_stands_in_the_request_is_compared_itself() -> None:
    """Whatever the look-up returned."""
    needs = asked(having("write:models on model team-a-*"), "registered-models/rename")
    assert judge(needs, naming(needs, name="team-a-x", new_name="team-a-y")) == ALLOWED
    assert isinstance(judge(needs, naming(needs, name="team-a-x", new_name="theirs")), Denied)
    (name, new_name) = needs.fields
    fits = ResolvedObject(name, "team-a-x")
    for names in ((), ("team-a-x",)):
        for absent in (False, True):
            assert isinstance(judge(needs, [ResolvedObject(name, "theirs", names, absent)]), Denied)
            renamed = ResolvedObject(new_name, "theirs", names, absent)
            assert isinstance(judge(needs, [fits, renamed]), Denied)


def test_an_object_that_does_not_exist_yet_is_nobody_elses() -> None:
    """Beside one that fits, and where a new one is expected at all."""
    needs = asked(having("write:traces on experiment team-a/*"), "traces/start")
    fields = {field.kind: field for field in needs.fields}
    place = ResolvedObject(fields[ObjectKind.EXPERIMENT], "1", ("team-a/x",))
    new = ResolvedObject(fields[ObjectKind.TRACE], "tr-1", (), absent=True)
    assert judge(needs, [place, new]) == ALLOWED
    assert isinstance(judge(needs, [new]), Denied)
    assert isinstance(judge(needs, [place, new._replace(absent=False)]), Denied)
    assert isinstance(judge(needs, [place, new._replace(names=("team-b/x",))]), Denied)


def test_two_grants_together_cover_what_neither_does() -> None:
    needs = asked(
        having("read:runs on experiment team-a/*", "read:runs on experiment team-b/*"),
        "runs/search",
    )
    (field,) = needs.fields
    named = [ResolvedObject(field, name, (name,)) for name in ("team-a/x", "team-b/x")]
    assert judge(needs, named) == ALLOWED


def test_a_version_takes_files_only_from_what_may_be_read() -> None:
    """Or else the registry would show anybody's runs."""
    key = having("write:models on model team-a-*", "read:* on experiment team-a/*")
    needs = asked(key, "model-versions/create")
    mine, other = ("team-a/x",), ("team-b/x",)
    assert judge(needs, naming(needs, name="team-a-m", source=mine, run_id=mine)) == ALLOWED
    for stolen in ({"source": other}, {"run_id": other}, {"model_id": other}, {"source": ()}):
        named = naming(needs, name="team-a-m", **stolen)
        assert isinstance(judge(needs, named), Denied)


def test_an_experiment_is_made_under_a_name_that_fits() -> None:
    """Its files may be kept only where the key may read and write: runs have theirs there."""
    needs = asked(
        having("write:experiments on experiment team-a/*", *KEEPS_FILES), "experiments/create"
    )
    mine, other = ("team-a/x",), ("team-b/x",)
    assert judge(needs, naming(needs, name="team-a/new")) == ALLOWED
    assert isinstance(judge(needs, naming(needs, name="team-b/new")), Denied)
    assert judge(needs, naming(needs, name="team-a/new", artifact_location=mine)) == ALLOWED
    for stolen in (other, (), None):
        named = naming(needs, name="team-a/new", artifact_location=stolen)
        assert isinstance(judge(needs, named), Denied)
    assert isinstance(judge(needs, naming(needs, artifact_location=mine)), Denied)
    for few in ((), *((each,) for each in KEEPS_FILES)):
        key = having("write:experiments on experiment team-a/*", *few)
        lacking = asked(key, "experiments/create")
        named = naming(lacking, name="team-a/new", artifact_location=mine)
        assert isinstance(judge(lacking, named), Denied)


def test_what_may_only_be_read_becomes_no_place_to_write() -> None:
    """Or else runs of an own experiment would put files among those of another team."""
    key = having("read:*", "write:* on experiment team-a/*")
    needs = asked(key, "experiments/create")
    named = naming(needs, name="team-a/new", artifact_location=("team-a/x",))
    assert judge(needs, named) == ALLOWED
    named = naming(needs, name="team-a/new", artifact_location=("team-b/x",))
    assert message(judge(needs, named)) == (
        "Headgate refused: your key 'ci' may write artifacts only in experiments called "
        "'team-a/*', and location '01' is in none of them; ask the gate's operator for a role "
        "that covers it."
    )
    # What a version takes is read, and never written.
    needs = asked(having("read:*", "write:models on model m"), "model-versions/create")
    assert [field.name for field in needs.fields] == ["name"]


def test_an_experiment_is_renamed_only_within_what_fits() -> None:
    needs = asked(having("write:experiments on experiment team-a/*"), "experiments/update")
    mine = ("team-a/x",)
    assert judge(needs, naming(needs, experiment_id=mine, new_name="team-a/y")) == ALLOWED
    assert isinstance(judge(needs, naming(needs, experiment_id=mine, new_name="b/y")), Denied)


def test_what_may_not_be_read_may_not_be_referenced() -> None:
    needs = asked(having("write:models"), "model-versions/create")
    assert judge(needs, []) == ALLOWED
    assert message(judge(needs, naming(needs, run_id=("x",)))) == (
        "Headgate refused: your key 'ci' may write models but not read runs, and the request "
        "names run '01'; ask the gate's operator for a role that covers it."
    )


def test_what_an_operation_names_beside_its_subject_is_not_its_subject() -> None:
    """An endpoint of the AI gateway names the experiment that it reports to."""
    assert isinstance(decided(having("*:* on experiment *"), "gateway/endpoints/create"), Denied)


def test_one_object_can_be_enough_to_deny() -> None:
    """The look-ups end with it."""
    needs = asked(having("write:runs on experiment team-a/*"), "runs/log-metric")
    (mine,) = naming(needs, run_id=("team-a/x",))
    (other,) = naming(needs, run_id=("team-b/x",))
    assert misfit(needs, mine) is None
    assert isinstance(misfit(needs, other), Denied)


def test_what_no_grant_covers_must_not_be_named() -> None:
    needs = asked(having("*:models"), "model-versions/create")
    assert isinstance(judge(needs, naming(needs, run_id=("team-a/x",))), Denied)
    assert any("must name nothing" in describe(each) for each in needs.requirements)


def test_more_objects_than_are_looked_up_are_refused() -> None:
    needs = asked(having("write:runs on experiment team-a/*"), "runs/log-metric")
    denied = names_too_many(needs, 1000)
    assert "more than 1,000 objects" in denied.message
    assert "send it in parts" in denied.message
