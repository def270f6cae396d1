"""The page of the schemas of MLflow's versions, from ``headgate.deploy.mlflow.schemas``."""

from __future__ import annotations

from docs.reference_pages.markdown import GENERATED, table
from headgate.deploy.mlflow.schemas import CHAIN, HEADS

_INTRODUCTION = """# Schemas of MLflow's versions

The Alembic revision that each version of MLflow wants its database to have. An upgrade between two
versions applies the migrations between their places; where those are equal, there is nothing to
migrate. A version whose place is before that of the database cannot use it. [Upgrade
MLflow](../how-to/upgrade-mlflow.md) asks a version that is installed itself, and uses this table
where it is in an image.

"""


def page() -> str:
    """The page."""
    rows = [(number, f"`{head}`", str(CHAIN.index(head) + 1)) for number, head in HEADS.items()]
    return GENERATED + _INTRODUCTION + table(("MLflow", "Schema", "Place"), rows)
