"""Task definitions of MLflow: which version one has, its copies, and the one that migrates."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from headgate.deploy.ecs.names import IMAGE_TAG, short
from headgate.deploy.ecs.records import Revision
from headgate.deploy.ecs.template import copied
from headgate.deploy.mlflow.errors import HostError, NoSuchVersionError

FROM_TAG: Final = "headgate:mlflow-from"
"""Tag of a revision: the ARN of the one that it is a copy of."""
VERSION_TAG: Final = "headgate:mlflow-version"
"""Tag of a revision: the version of MLflow in its image."""
DATABASE: Final = "MLFLOW_BACKEND_STORE_URI"
ENTRY: Final = (
    "python3",
    "-c",
    (
        "import os; from mlflow.store.db import utils as u; "
        f"u._upgrade_db(u.create_sqlalchemy_engine_with_retry(os.environ['{DATABASE}']))"
    ),
)
"""What ``mlflow db upgrade`` does, without the URL of the database on a command line."""
_NUMBER: Final = re.compile(r"(?<![0-9.])[0-9]+\.[0-9]+\.[0-9]+(?![0-9.]|[a-z][a-z0-9])")


def place_of(revision: Revision, container: str) -> str:
    """``Version.place`` of a revision: its ARN, or what it is a copy of."""
    base = revision.tags.get(FROM_TAG)
    return revision.arn if base is None else f"{base}+{image_of(revision, container)}"


def container_of(revision: Revision, name: str) -> Mapping[str, Any]:
    """MLflow's container.

    Raises:
        HostError: there is none of that name.
    """
    try:
        return revision.container(name)
    except KeyError:
        there = [each.get("name", "") for each in revision.document.get("containerDefinitions", ())]
        raise HostError(
            f"{short(revision.arn)} has no container '{name}', but {', '.join(there) or 'none'}: "
            "give the name of MLflow's with --container"
        ) from None


def image_of(revision: Revision, container: str) -> str:
    """The image of MLflow's container."""
    return str(container_of(revision, container).get("image", ""))


def number_in(image: str) -> str:
    """The version in the tag of an image; empty if there is none."""
    found = _NUMBER.search(image.partition("@")[0].rpartition("/")[2].partition(":")[2])
    return found[0] if found else ""


def migration_family(revision: str) -> str:
    """The family of the task definition that migrates, for a revision of the service's."""
    return f"{short(revision).partition(':')[0]}-migration"


def copy_of(
    base: Revision, container: str, image: str, number: str
) -> tuple[dict[str, Any], dict[str, str]]:
    """A revision with another image: what is registered, and its tags.

    Secrets stay as they are named: what is put into them meanwhile counts for every version.

    Raises:
        TemplateError: the revision cannot be copied.
    """
    made = copied(base, container, image, lambda reference: reference)
    tags = {FROM_TAG: base.arn, IMAGE_TAG: image, VERSION_TAG: number}
    return dict(made.document), tags


def sibling(image: str, number: str) -> str:
    """The image of another version, beside one that has its version in its tag.

    Raises:
        NoSuchVersionError: ``number`` is none.
    """
    if not _NUMBER.fullmatch(number):
        raise NoSuchVersionError(
            f"'{number}' is no version of MLflow, no image and no revision: give 3.17.2, "
            "REPOSITORY:TAG or FAMILY:NUMBER"
        )
    host, slash, name = image.partition("@")[0].rpartition("/")
    repository, _, tag = name.partition(":")
    return (
        f"{host}{slash}{repository}:{_NUMBER.sub(number, tag) if _NUMBER.search(tag) else number}"
    )


def migration(revision: Revision, name: str) -> dict[str, Any]:
    """The task definition that migrates the database, of one that serves.

    Raises:
        HostError: it does not say which database that is.
        TemplateError: the revision cannot be copied.
    """
    image = image_of(revision, name)
    document, _tags = copy_of(revision, name, image, "")
    document["family"] = migration_family(revision.arn)
    for each in document["containerDefinitions"]:
        each.pop("portMappings", None)
    mine: dict[str, Any] = next(
        each for each in document["containerDefinitions"] if each["name"] == name
    )
    mine["essential"] = True
    mine.pop("healthCheck", None)
    given = [each["name"] for each in (*mine.get("environment", ()), *mine.get("secrets", ()))]
    if DATABASE not in given:
        url = _option([*mine.get("entryPoint", ()), *mine.get("command", ())])
        if not url:
            raise HostError(
                f"{short(revision.arn)} names its database neither in {DATABASE} nor with "
                "--backend-store-uri, so that it cannot be migrated"
            )
        mine["environment"] = [*mine.get("environment", ()), {"name": DATABASE, "value": url}]
    mine["entryPoint"], mine["command"] = list(ENTRY), []
    return document


def _option(words: Sequence[str]) -> str:
    """The value of ``--backend-store-uri`` in a command line; empty if it has none."""
    name = "--backend-store-uri"
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == name:
            return following
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return ""


def log_of(document: Mapping[str, Any], name: str) -> str:
    """Where a person finds what the migration said."""
    for each in document["containerDefinitions"]:
        options = each.get("logConfiguration", {}).get("options", {})
        if each["name"] == name and options.get("awslogs-group"):
            return f"its log is in {options['awslogs-group']}"
    return "its log says why"
