"""The steps: one module per part of MLflow, one function per step."""
