"""Commands in pages: those that do not exist are found, those that do are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.page_commands import mentioned, problem, problems, typed


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ("headgate serve --listen 0.0.0.0:8080", None),
        ("headgate keys create ada --role admin", None),
        ("headgate keys create ada --rolle admin", "--rolle"),
        ("headgate keys creat ada", "creat"),
        ("headgate sreve", "sreve"),
        ("headgate ecs rollback --cluster C --service S", None),
        ("headgate ecs rollback", None),
        ("headgate verify --url URL", None),
        ("headgate verify", "url missing"),
        ("headgate verify URL", "it takes no 'URL'"),
        ("headgate keys show", "name_or_id missing"),
        ("headgate keys create ada --role", "--role"),
        ("headgate doctor --config FILE", None),
        ("headgate explain GET /mlflow/version", None),
        ('make test ARGS="-k NAME"', None),
        ("make tests", "tests"),
    ],
)
def test_a_command_is_one_that_there_is(command: str, wrong: str | None) -> None:
    said = problem(command)
    assert said is None if wrong is None else wrong in (said or "")


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ("headgate verify", None),
        ("headgate up --log-format", None),
        ("headgate up --log-formt", "--log-formt"),
        ("headgate verify URL", "it takes no 'URL'"),
    ],
)
def test_a_sentence_may_name_the_beginning_of_a_command(command: str, wrong: str | None) -> None:
    said = problem(command, whole=False)
    assert said is None if wrong is None else wrong in (said or "")


def test_commands_are_found_where_they_are_typed() -> None:
    page = """
Run `headgate check`, see `headgate` and `headgate.toml`.

```console
$ KEY=$(headgate keys create ci)
headgate: this is what it prints
$ headgate \\
    doctor --json > file
$ HEADGATE_API_KEY=$(cat first-key) headgate verify --url URL
```

```text
headgate is not a command here
```
"""
    assert list(typed(page)) == [
        "headgate keys create ci",
        "headgate doctor --json",
        "headgate verify --url URL",
    ]
    assert list(mentioned(page)) == ["headgate check"]


def test_a_variable_is_one_that_something_reads(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    mistyped = "HEADGATE_LISTN__" + "HOST"  # in two parts, or the sources would have it
    file.write_text(f"`HEADGATE_LISTEN__HOST`, `HEADGATE_UPSTREAMS__X__URL`, `{mistyped}`")
    (found,) = problems([file], tmp_path)
    assert mistyped in found
