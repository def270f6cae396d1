"""Blocks the shapes of MLflow's published vulnerabilities, whatever a key may do.

``rules`` says what each shield is for, ``plan`` which of them concern an operation, and ``shield``
applies them.  What no shield can know is said in ``docs/explanation/shields.md``.
"""

from headgate.shields.rules import RULES, Rule
from headgate.shields.shield import Shield

__all__ = ["RULES", "Rule", "Shield"]
