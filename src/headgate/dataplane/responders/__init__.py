"""What responds to a request: MLflow, or the gate itself."""
