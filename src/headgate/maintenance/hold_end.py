"""How the hold of one request ends."""

from __future__ import annotations

import enum


class HoldEnd(enum.StrEnum):
    """How it ends.

    ``RELEASED``: the park is over, and the request goes to MLflow.  ``EXPIRED``: it has waited as
    long as its client can.  ``DISPLACED``: the queue is full, and one whose principal has fewer
    there has got its place.  ``LEFT``: its client has left, or the worker stops.
    """

    RELEASED = "released"
    EXPIRED = "expired"
    DISPLACED = "displaced"
    LEFT = "left"
