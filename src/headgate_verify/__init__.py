"""The end-to-end check, driven by the real MLflow client in a process of its own."""
