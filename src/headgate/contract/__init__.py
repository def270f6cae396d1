"""What MLflow's HTTP routes are and what each of them does.

``snapshots`` reads which routes real servers have, ``rules`` what each is; ``table`` joins them and
finds an operation by its path, with ``patterns``.  ``reader`` reads queries and bodies by the names
that MLflow reads there, ``messages`` and ``scalars`` by their types.  ``dialect`` puts an operation
into the form that a particular server wants.
"""

from headgate.contract.creates import Create, read_create
from headgate.contract.dialect import (
    Dialect,
    TranslatedRequest,
    body_handling,
    lacks,
    translate,
    with_static_prefix,
)
from headgate.contract.parameters import path_parameters
from headgate.contract.reader import Reader
from headgate.contract.table import Row, Table, classify, table

__all__ = [
    "Create",
    "Dialect",
    "Reader",
    "Row",
    "Table",
    "TranslatedRequest",
    "body_handling",
    "classify",
    "lacks",
    "path_parameters",
    "read_create",
    "table",
    "translate",
    "with_static_prefix",
]
