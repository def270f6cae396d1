"""Headgate: the authenticating front door for self-hosted MLflow.

A request passes through named phases: accept, parse, canonicalise, classify, authenticate,
authorise, admit, select, forward, respond, account.  The rooms that hold them, and which may
import which, are drawn in ``docs/explanation/architecture.md``.
"""

__version__ = "0.1.0"
