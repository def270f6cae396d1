"""The moving bytes: client connections, connections to MLflow, and the exchange between them.

``ClientConnection`` reads requests and writes answers, ``UpstreamConnection`` the other way round;
an ``Exchange`` ties one of each together for one request and ends in one ``Outcome``.  What may
pass and where it goes is decided by a ``Decider`` (``dataplane/decisions.py``), which
``decide`` supplies.
"""
