"""Creates in doubt: requests whose client may not have had MLflow's response."""
