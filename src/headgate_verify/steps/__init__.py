"""What is checked: one module for each part of MLflow, one function for each step."""
