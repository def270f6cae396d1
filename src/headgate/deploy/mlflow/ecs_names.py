"""MLflow's name in DNS, which has no address while MLflow is stopped."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from headgate.deploy.ecs.records import DnsName

ABSENT: Final = 15
"""Seconds for which resolvers may remember that the name has no address: the gates find the new
task when they have passed, and clients wait for it."""
ABSENT_UNSET: Final = 300
"""The same where the SOA record of a namespace has no TTL of its own
(github.com/aws/aws-app-mesh-roadmap/issues/221)."""


def forgotten_late(names: Iterable[DnsName]) -> list[str]:
    """Which names resolvers would not find again in time, a sentence each with the cure."""
    return [_sentence(each, absent) for each in names if (absent := _absent(each)) > ABSENT]


def _absent(name: DnsName) -> int:
    return ABSENT_UNSET if name.absent is None else name.absent


def _sentence(name: DnsName, absent: int) -> str:
    kind = "private" if name.private else "public"
    return (
        f"while MLflow is stopped, its name {name.name} has no address, and resolvers remember "
        f"that for up to {absent} s: gates that find MLflow by DNS would not find the new task "
        f"meanwhile. Let it be {ABSENT} s at most: aws servicediscovery "
        f"update-{kind}-dns-namespace --id {name.namespace} "
        f"--namespace 'Properties={{DnsProperties={{SOA={{TTL={ABSENT}}}}}}}'"
    )
