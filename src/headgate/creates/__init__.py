"""Creates in doubt: requests whose client may not have had MLflow's response.

``table`` says which they are, and who may have what was created; ``places`` has the memory that the
processes of a gate share, ``layout`` how that is divided, ``records`` the values.  ``shared`` has
what several gates know of creates, and what follows from it.
"""

from headgate.creates.layout import KEPT_BYTES, LAYOUT, OWNERS, PLACES, SIZE
from headgate.creates.records import Claim, Lock, Memory, Notes, Place, Response, Standing, Verdict
from headgate.creates.table import IN_DOUBT_SECONDS, CreateTable

__all__ = [
    "IN_DOUBT_SECONDS",
    "KEPT_BYTES",
    "LAYOUT",
    "OWNERS",
    "PLACES",
    "SIZE",
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
