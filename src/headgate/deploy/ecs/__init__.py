"""A gate that runs as a service of AWS ECS: deployed, watched and rolled back.

The plans and the steps are pure: a ``ControlPlane`` gives them the facts of the service, and a
``Clock`` the time.  ``aws.py`` is the adapter that asks AWS.
"""
