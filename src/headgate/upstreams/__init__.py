"""One upstream while the gate runs.

``finder`` finds its endpoints, ``watcher`` probes them, ``caller`` sends the gate's own requests,
``endpoint_names`` and ``connector`` know how each is reached; ``live`` wires them.
"""
