"""``headgate routes``: the table of routes, for people and for programs."""

from __future__ import annotations

import json

import pytest

from headgate.cli import main
from headgate.contract import table
from headgate.model import FAMILIES


def test_every_route_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["routes"]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split() == ["FAMILY", "ACTION", "METHOD", "SINCE", "PATH"]
    assert len(lines) == len(table().rows)
    assert [line.split() for line in lines if line.endswith("/runs/create")] == [
        ["runs", "write", "POST", "2.22.5", "/api/2.0/mlflow/runs/create"]
    ]


def test_families_follow_one_another_in_their_order(capsys: pytest.CaptureFixture[str]) -> None:
    main(["routes"])
    families = [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]]
    assert families == sorted(families, key=list(FAMILIES).index)
    assert set(families) == set(FAMILIES)


def test_one_family(capsys: pytest.CaptureFixture[str]) -> None:
    main(["routes", "--family", "metrics"])
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]} == {"metrics"}


def test_a_family_that_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["routes", "--family", "metric"])
    captured = capsys.readouterr()
    assert (code, captured.out) == (2, "")
    assert captured.err.startswith("headgate: there is no family 'metric'; there are experiments,")


def test_json_says_all_of_a_route(capsys: pytest.CaptureFixture[str]) -> None:
    main(["routes", "--json", "--family", "logged-models"])
    routes = {
        (route["operation"], route["method"]): route
        for route in json.loads(capsys.readouterr().out)["routes"]
    }
    assert routes["logged-models/create", "POST"] == {
        "operation": "logged-models/create",
        "method": "POST",
        "paths": ["/ajax-api/2.0/mlflow/logged-models", "/api/2.0/mlflow/logged-models"],
        "family": "logged-models",
        "also": [],
        "action": "write",
        "objects": [
            {
                "kind": "experiment",
                "place": "body",
                "name": "experiment_id",
                "may_be_new": False,
            },
            {"kind": "run", "place": "body", "name": "source_run_id", "may_be_new": False},
        ],
        "decides_by_body": True,
        "retry": "never",
        "body": "length",
        "size": "api",
        "public": False,
        "any_key": False,
        "since": "3.4.0",
        "native_since": "",
    }
