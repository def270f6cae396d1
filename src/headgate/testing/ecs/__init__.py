"""A stand-in for AWS ECS, with real processes as tasks.

``FakePlane`` (``plane.py``) serves on one URL what ``headgate ecs`` asks of AWS.  ECS itself, the
load balancer and its metrics are modelled here; moto answers for the other APIs.  Every request
and response of ECS is checked against the service model of botocore, so that no field is
invented.  Nothing here shows that AWS does the same: the constants and the rules are those that
AWS publishes, each with its source.
"""

from headgate.testing.ecs.plane import FakePlane, ServiceSpec
from headgate.testing.ecs.runner import Image

__all__ = ["FakePlane", "Image", "ServiceSpec"]
