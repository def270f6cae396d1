"""The moving bytes: client connections, connections to MLflow, and the exchange between them.

For each request a ``ClientConnection`` builds an ``Exchange``, which asks the ``Decider``
(``decisions.py``; the package ``decide`` has it) and builds the ``Responder`` that the decision
names: MLflow by way of an ``UpstreamConnection``, or the gate itself.  Whatever happens, the
exchange ends in one ``Outcome``.  ``ports.py`` has the borders between these.
"""
