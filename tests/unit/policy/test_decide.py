"""What a key may do."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.model import NO_GRANTS, Action, Grant, Grants, ObjectKind, Operation
from headgate.policy import (
    ALLOWED,
    BUILT_IN,
    Allowed,
    Decision,
    Denied,
    Named,
    NeedsObject,
    Role,
    Roles,
    decide,
    describe,
    judge,
    rules,
    write_grant,
)
from headgate.policy.reach import LIES_IN, NARROWED_BY
from tests.support.grants import (
    OPERATIONS,
    grants,
    named_in,
    operations,
    patterns,
    upstreams,
    workspaces,
)

BY_NAME = {operation.name: operation for operation in OPERATIONS}


def having(*texts: str, roles: tuple[str, ...] = ()) -> Grants:
    """What the key ``ci`` may do with these grants and roles."""
    return Roles({"own": Role("", texts)}).grants_for("ci", ["own", *roles])


def decided(grants: Grants, operation: str, workspace: str | None = None) -> Decision:
    return decide(grants, BY_NAME[operation], "default", workspace)


def asked(grants: Grants, operation: str) -> NeedsObject:
    decision = decided(grants, operation)
    assert isinstance(decision, NeedsObject)
    return decision


def naming(needs: NeedsObject, **names: tuple[str, ...] | str | None) -> list[Named]:
    """Objects by the fields that name them: the value itself, or what it is called."""
    fields = {field.name.replace("[]", ""): field for field in needs.fields}
    return [
        Named(fields[name], given)
        if isinstance(given, str)
        else Named(fields[name], "01", given or (), given is None)
        for name, given in names.items()
    ]


def message(decision: Decision) -> str:
    assert isinstance(decision, Denied)
    return decision.message


# --- what needs no names ---------------------------------------------------------------------


def test_without_grants_nothing_is_allowed() -> None:
    for operation in OPERATIONS:
        assert isinstance(decide(NO_GRANTS, operation, "default", None), Denied)


def test_an_operation_needs_its_own_action_on_its_own_family() -> None:
    key = having("write:runs", roles=("viewer",))
    assert decided(key, "runs/create") is ALLOWED
    assert isinstance(decided(key, "runs/delete"), Denied)
    assert isinstance(decided(key, "experiments/create"), Denied)


def test_an_operation_of_several_families_needs_all_of_them() -> None:
    families = ("runs", "experiments", "metrics", "models", "artifacts", "datasets")
    texts = [f"read:{family}" for family in families]
    assert decided(having(*texts), "graphql") is ALLOWED
    for text in texts:
        decision = decided(having(*(other for other in texts if other != text)), "graphql")
        assert isinstance(decision, Denied)
        assert decision.needed == text


def test_reading_all_but_one_family_is_not_enough_either() -> None:
    """GraphQL reads metrics, which is no object of its own to look up."""
    all_but_metrics = [text for text in BUILT_IN["viewer"].grants if text != "read:metrics"]
    decision = decided(having(*all_but_metrics), "graphql")
    assert isinstance(decision, Denied)
    assert decision.needed == "read:metrics"


def test_a_condition_counts_for_keys_that_read_everything_too() -> None:
    for condition in ("in workspace w1", "in upstream lab", "on experiment x"):
        key = having(f"write:runs {condition}", roles=("viewer",))
        assert decided(key, "runs/create") is not ALLOWED
        assert decided(key, "runs/get") is ALLOWED


def test_a_grant_for_an_upstream_allows_nothing_on_another() -> None:
    key = having("read:runs in upstream lab")
    assert decide(key, BY_NAME["runs/get"], "lab", None) is ALLOWED
    assert message(decided(key, "runs/get")) == (
        "Headgate refused: your key 'ci' may read runs only on upstream 'lab'; "
        "ask the gate's operator for role viewer."
    )


def test_a_grant_for_a_workspace_needs_that_workspace_named() -> None:
    """A request that names none is in a default that the gate does not know."""
    key = having("read:runs in workspace w1")
    assert decided(key, "runs/get", "w1") is ALLOWED
    assert "only in workspace 'w1'; ask" in message(decided(key, "runs/get", "w2"))
    assert "names no workspace, which MLFLOW_WORKSPACE does" in message(decided(key, "runs/get"))


def test_no_workspace_gives_power_over_workspaces() -> None:
    key = having("*:* in workspace w1")
    for operation in OPERATIONS:
        if operation.family in ("workspaces", "auth-admin", "jobs", "assistant", "gate"):
            assert isinstance(decide(key, operation, "default", "w1"), Denied)


# --- what depends on names ---------------------------------------------------------------------


def test_a_narrowed_grant_allows_what_fits() -> None:
    needs = asked(having("write:runs on experiment team-a/*"), "runs/create")
    assert judge(needs, naming(needs, experiment_id=("team-a/x",))) == ALLOWED
    assert isinstance(judge(needs, naming(needs, experiment_id=("team-b/x",))), Denied)


def test_an_object_that_cannot_be_looked_up_is_nobodys() -> None:
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
    mine, other = Named(field, "1", ("team-a/x",)), Named(field, "2", ("team-b/x",))
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
    assert "is about none such" in message(
        decided(having("read:artifacts on experiment *"), "artifacts/get-of-version")
    )
    assert "is about none such" in message(
        decided(having("read:artifacts on model *"), "artifacts/get")
    )


def test_a_name_that_stands_in_the_request_is_compared_itself() -> None:
    """Whatever whoever looked it up may say."""
    needs = asked(having("write:models on model team-a-*"), "registered-models/rename")
    assert judge(needs, naming(needs, name="team-a-x", new_name="team-a-y")) == ALLOWED
    assert isinstance(judge(needs, naming(needs, name="team-a-x", new_name="theirs")), Denied)
    (name, new_name) = needs.fields
    fits = Named(name, "team-a-x")
    for names in ((), ("team-a-x",)):
        for absent in (False, True):
            assert isinstance(judge(needs, [Named(name, "theirs", names, absent)]), Denied)
            renamed = Named(new_name, "theirs", names, absent)
            assert isinstance(judge(needs, [fits, renamed]), Denied)


def test_an_object_that_does_not_exist_yet_is_nobody_elses() -> None:
    """Beside one that fits, and where a new one is expected at all."""
    needs = asked(having("write:traces on experiment team-a/*"), "traces/start")
    fields = {field.kind: field for field in needs.fields}
    place = Named(fields[ObjectKind.EXPERIMENT], "1", ("team-a/x",))
    new = Named(fields[ObjectKind.TRACE], "tr-1", (), absent=True)
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
    named = [Named(field, name, (name,)) for name in ("team-a/x", "team-b/x")]
    assert judge(needs, named) == ALLOWED


# --- what is lent ------------------------------------------------------------------------------


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
    """Its files may be kept only where the key may read, for runs are read from there."""
    needs = asked(
        having("write:experiments on experiment team-a/*", "read:artifacts on experiment team-a/*"),
        "experiments/create",
    )
    mine, other = ("team-a/x",), ("team-b/x",)
    assert judge(needs, naming(needs, name="team-a/new")) == ALLOWED
    assert isinstance(judge(needs, naming(needs, name="team-b/new")), Denied)
    assert judge(needs, naming(needs, name="team-a/new", artifact_location=mine)) == ALLOWED
    for stolen in (other, (), None):
        named = naming(needs, name="team-a/new", artifact_location=stolen)
        assert isinstance(judge(needs, named), Denied)
    assert isinstance(judge(needs, naming(needs, artifact_location=mine)), Denied)
    writes_only = asked(having("write:experiments on experiment team-a/*"), "experiments/create")
    named = naming(writes_only, name="team-a/new", artifact_location=mine)
    assert isinstance(judge(writes_only, named), Denied)


def test_an_experiment_is_renamed_only_within_what_fits() -> None:
    needs = asked(having("write:experiments on experiment team-a/*"), "experiments/update")
    mine = ("team-a/x",)
    assert judge(needs, naming(needs, experiment_id=mine, new_name="team-a/y")) == ALLOWED
    assert isinstance(judge(needs, naming(needs, experiment_id=mine, new_name="b/y")), Denied)


def test_what_may_not_be_read_may_not_be_lent() -> None:
    needs = asked(having("write:models"), "model-versions/create")
    assert judge(needs, []) == ALLOWED
    assert message(judge(needs, naming(needs, run_id=("x",)))) == (
        "Headgate refused: your key 'ci' may write models but not read runs, and the request "
        "names run '01'; ask the gate's operator for a role that covers it."
    )


def test_what_an_operation_names_beside_its_subject_is_not_its_subject() -> None:
    """An endpoint of the AI gateway names the experiment that it reports to."""
    assert isinstance(decided(having("*:* on experiment *"), "gateway/endpoints/create"), Denied)


# --- the sentences -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("roles", "operation", "sentence"),
    [
        (
            ("viewer",),
            "registered-models/delete",
            "may read models but not delete them; ask the gate's operator for role publisher.",
        ),
        (
            ("writer",),
            "registered-models/create",
            "may read models but not write them; ask the gate's operator for role publisher.",
        ),
        (
            ("viewer",),
            "runs/create",
            "may read runs but not write them; ask the gate's operator for role writer.",
        ),
        (
            ("writer", "publisher"),
            "scorers/invoke",
            (
                "may read, write and delete scorers but not administer them; "
                "ask the gate's operator for role admin."
            ),
        ),
        (
            ("writer", "publisher"),
            "webhooks/create",
            "may not administer webhooks; ask the gate's operator for role admin.",
        ),
        (
            ("viewer",),
            "gateway/chat",
            (
                "may read the AI gateway but not write it; "
                "ask the gate's operator for a role with the grant write:ai-gateway."
            ),
        ),
        (
            ("gone",),
            "runs/get",
            (
                "may not read runs, and the gate's configuration has no role 'gone'; "
                "ask the gate's operator for role viewer."
            ),
        ),
    ],
)
def test_a_denial_says_what_is_lacking_and_whom_to_ask(
    roles: tuple[str, ...], operation: str, sentence: str
) -> None:
    found = decided(Roles().grants_for("ci", roles), operation)
    assert message(found) == f"Headgate refused: your key 'ci' {sentence}"


def test_a_denial_does_not_tell_what_is_there() -> None:
    """Of another's run, one that is nobody's and one that is not, it says the same."""
    needs = asked(having("read:runs on experiment team-a/*"), "runs/get")
    for answer in (("team-b/secret",), (), None):
        assert message(judge(needs, naming(needs, run_id=answer))) == (
            "Headgate refused: your key 'ci' may read runs only in experiments called 'team-a/*', "
            "and run '01' is in none of them; ask the gate's operator for a role that covers it."
        )


def test_a_value_is_shown_harmless_and_short() -> None:
    needs = asked(having("read:models on model x"), "registered-models/get")
    shown = message(judge(needs, naming(needs, name="\x1b[31m\n" + "y" * 200)))
    assert shown.isprintable()
    assert "y" * 80 not in shown


def test_many_patterns_are_not_all_shown() -> None:
    key = having(*(f"read:runs on experiment team-{team}/*" for team in range(9)))
    needs = asked(key, "runs/get")
    assert "called 'team-0/*', 'team-1/*' or the like, and" in message(judge(needs, []))


@given(operations, st.lists(grants(), max_size=4), upstreams, workspaces, st.data())
def test_each_denial_is_one_sentence_with_its_cure(
    operation: Operation,
    given: list[Grant],
    upstream: str,
    workspace: str | None,
    data: st.DataObject,
) -> None:
    decision = decide(having(*map(write_grant, given)), operation, upstream, workspace)
    if isinstance(decision, NeedsObject):
        assert all(describe(requirement) for requirement in decision.requirements)
        decision = judge(decision, data.draw(named_in(operation)))
    if isinstance(decision, Denied):
        sentence = decision.message
        assert sentence.startswith("Headgate refused: your key 'ci' may ")
        assert sentence.endswith(".")
        assert "ask the gate's operator for " in sentence
        assert "  " not in sentence


# --- the rules ---------------------------------------------------------------------------------


def test_the_rules_are_the_grants_that_count() -> None:
    key = having("read:runs on experiment a", "*:* on experiment b", "write:runs")
    assert [write_grant(each.grant) for each in rules(key, BY_NAME["runs/get"], "", None)] == [
        "read:runs on experiment a",
        "*:* on experiment b",
    ]
    assert [write_grant(each.grant) for each in rules(key, BY_NAME["runs/create"], "", None)] == [
        "write:runs"
    ]
    assert rules(key, BY_NAME["webhooks/list"], "", None) == ()


# --- for all grants and operations -----------------------------------------------------------


def final(
    key: Grants, operation: Operation, place: tuple[str, str | None], named: list[Named]
) -> bool:
    decision = decide(key, operation, *place)
    if isinstance(decision, NeedsObject):
        decision = judge(decision, [each for each in named if each.field in decision.fields])
    return isinstance(decision, Allowed)


@given(
    operations,
    st.lists(grants(), max_size=4),
    st.lists(grants(), max_size=3),
    upstreams,
    workspaces,
    st.data(),
)
def test_more_grants_never_allow_less(
    operation: Operation,
    some: list[Grant],
    more: list[Grant],
    upstream: str,
    workspace: str | None,
    data: st.DataObject,
) -> None:
    named = data.draw(named_in(operation))
    place = (upstream, workspace)
    few, many = having(*map(write_grant, some)), having(*map(write_grant, [*some, *more]))
    if final(few, operation, place, named):
        assert final(many, operation, place, named)


@given(operations, grants(), upstreams, workspaces, st.data())
def test_a_condition_never_allows_more(
    operation: Operation,
    grant: Grant,
    upstream: str,
    workspace: str | None,
    data: st.DataObject,
) -> None:
    named = data.draw(named_in(operation))
    free = replace(grant, on=None, upstream=None, workspace=None)
    place = (upstream, workspace)
    if final(having(write_grant(grant), roles=("viewer",)), operation, place, named):
        assert final(having(write_grant(free), roles=("viewer",)), operation, place, named)


@given(operations, patterns, st.data())
def test_a_narrowed_key_reaches_only_what_fits(
    operation: Operation, pattern: str, data: st.DataObject
) -> None:
    """Whatever it asks for and names: each object is called as it should be, and there is one."""
    key = having(f'*:* on experiment "{pattern}"', "*:* on model mine-*")
    named = data.draw(named_in(operation))
    if not final(key, operation, ("default", None), named):
        return
    relevant = [each for each in named if each.field.kind in LIES_IN]
    assert relevant
    for each in relevant:
        if each.field.kind is ObjectKind.MODEL:
            assert called(each.value, "mine-*")
        elif each.field.kind is ObjectKind.EXPERIMENT_NAME:
            assert called(each.value, pattern)
        elif not (each.absent and each.field.may_be_new):
            assert each.names
            assert all(called(name, pattern) for name in each.names)


def called(name: str, pattern: str) -> bool:
    meaning = {"*": ".*", "?": "."}
    return (
        re.fullmatch("".join(meaning.get(each, re.escape(each)) for each in pattern), name)
        is not None
    )


@given(operations, upstreams, workspaces)
def test_the_viewer_can_only_read(
    operation: Operation, upstream: str, workspace: str | None
) -> None:
    decision = decide(Roles().grants_for("ci", ["viewer"]), operation, upstream, workspace)
    assert isinstance(decision, Allowed | Denied)
    assert isinstance(decision, Denied) or operation.action is Action.READ


def test_each_family_that_can_be_narrowed_has_operations_that_name_such_objects() -> None:
    """And no other family is thought to."""
    for kind, families in NARROWED_BY.items():
        named = {
            operation.family
            for operation in OPERATIONS
            for field in operation.objects
            if field.kind in LIES_IN and LIES_IN[field.kind][0] is kind
        }
        assert families <= named


def test_each_kind_of_object_is_looked_up_or_known_not_to_be() -> None:
    assert set(ObjectKind) - set(LIES_IN) == {ObjectKind.WORKSPACE, ObjectKind.PATH}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)
def test_whoever_has_everything_may_do_everything(operation: Operation) -> None:
    assert decide(having("*:*"), operation, "default", None) is ALLOWED
