"""A gate that runs as a service of AWS ECS: deployed, watched and rolled back.

The plans and the steps are pure: they are told about the service by a ``ControlPlane`` and read a
``Clock``.  ``aws.py`` is the adapter that asks AWS.
"""
