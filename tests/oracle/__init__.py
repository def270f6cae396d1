"""What MLflow's own code reads in a request, against what the gate has judged.

``worker`` runs beside an MLflow of any version and says what its handlers read; ``mlflow_reader``
starts it.  ``gate_decider`` has the gate decide on the same request, in this process.  ``asked``
makes requests.  A route that MLflow serves in another way (``/v1/traces``) has a module of its own
here, with the same three parts.
"""
