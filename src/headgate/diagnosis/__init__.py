"""Why MLflow cannot be reached: the doctor's walk, and the remedy for each symptom."""
