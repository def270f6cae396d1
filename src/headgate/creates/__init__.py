"""Creates in doubt: requests whose client may not have had MLflow's response.

``table`` takes down what becomes of each, and says who may have what was created; ``doubts`` says
which are in doubt.  ``places`` has the memory that the processes of a gate share, ``layout`` how
that is divided, ``turns`` who may change it when, ``records`` the values.  ``shared`` has what
several gates know of creates, and what follows from it.
"""

from headgate.creates.doubts import IN_DOUBT_SECONDS
from headgate.creates.layout import KEPT_BYTES, LAYOUT, OWNERS, PLACES, SIZE
from headgate.creates.records import Claim, Lock, Memory, Notes, Place, Response, Standing, Verdict
from headgate.creates.table import CreateTable
from headgate.creates.turns import BusyError

__all__ = [
    "IN_DOUBT_SECONDS",
    "KEPT_BYTES",
    "LAYOUT",
    "OWNERS",
    "PLACES",
    "SIZE",
    "BusyError",
    "Claim",
    "CreateTable",
    "Lock",
    "Memory",
    "Notes",
    "Place",
    "Response",
    "Standing",
    "Verdict",
]
