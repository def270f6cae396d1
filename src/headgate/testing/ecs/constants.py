"""What AWS publishes of the times of ECS and its load balancers, in seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Constants:
    """The times of the model.

    Attributes:
        start: from a task's request until its containers run: placement, network interface,
            image.  AWS gives no figure; 45 s is what operators of Fargate commonly report for an
            image of some hundred megabytes.
        check_interval: seconds between two health checks of the target group (the project's
            Terraform module; AWS's default is 30).
        healthy: checks in a row until a target is healthy.
        unhealthy: failed ones in a row until it is not.
        deregistration: the target group's deregistration delay (the project's module; AWS's
            default is 300): connections go on, new requests go elsewhere.
        stop_timeout: from SIGTERM to SIGKILL where the container sets no ``stopTimeout`` (AWS's
            default).
        breaker_least: failed tasks until the circuit breaker acts, at least; at most they are
            ``breaker_most``, else half the desired count
            (docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html).
    """

    start: float = 45.0
    check_interval: float = 10.0
    healthy: int = 2
    unhealthy: int = 2
    deregistration: float = 30.0
    stop_timeout: float = 30.0
    breaker_least: int = 3
    breaker_most: int = 200

    def breaker(self, desired: int) -> int:
        """Failed tasks that trigger the circuit breaker of a service."""
        return min(self.breaker_most, max(self.breaker_least, -(-desired // 2)))
