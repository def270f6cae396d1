"""Headgate: an authenticating reverse proxy for self-hosted MLflow.

A request passes through named phases: accept, parse, canonicalise, classify, authenticate,
authorise, admit, select, forward, respond, account.  The rooms that hold them, and which may
import which, are drawn in ``docs/explanation/architecture.md``.
"""

from importlib.util import find_spec

__version__ = "0.1.0"


def is_compiled() -> bool:
    """Whether the hot path runs as machine code, not as Python."""
    module = find_spec("headgate.wire.request")
    return module is not None and not (module.origin or "").endswith(".py")
