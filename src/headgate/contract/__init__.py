"""What MLflow's HTTP routes are and what each of them does."""

from headgate.contract.families import classify

__all__ = ["classify"]
