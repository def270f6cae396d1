"""Why MLflow cannot be reached: the steps of ``headgate doctor``."""
