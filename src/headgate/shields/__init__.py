"""Blocks the shapes of MLflow's published vulnerabilities, for every key.

``rules`` describes each shield, ``plan`` selects those that apply to an operation, and ``shield``
applies them.  ``docs/explanation/shields.md`` lists what they cannot do.
"""

from headgate.shields.rules import RULES, Rule
from headgate.shields.shield import Shield

__all__ = ["RULES", "Rule", "Shield"]
