"""Creates in doubt: requests whose client may not have had MLflow's response."""

from headgate.creates.layout import KEPT_BYTES, OWNERS, PLACES, SIZE
from headgate.creates.table import Claim, CreateTable, Lock, Place, Response, Standing, Verdict

__all__ = [
    "KEPT_BYTES",
    "OWNERS",
    "PLACES",
    "SIZE",
    "Claim",
    "CreateTable",
    "Lock",
    "Place",
    "Response",
    "Standing",
    "Verdict",
]
