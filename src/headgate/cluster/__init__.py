"""Which endpoint of an upstream may take a request, and whether a failed one is sent again.

Decisions only: discovery, probes and requests report what they found, and ask what to do next.
There is no I/O, no clock and no source of randomness here; times are seconds on any clock that does
not go back.
"""

from headgate.cluster.cluster import Cluster
from headgate.cluster.counts import ClusterCounts
from headgate.cluster.member import State
from headgate.cluster.merge import AnswerMerger
from headgate.cluster.policy import ClusterPolicy
from headgate.cluster.reports import Found, ProbeResult, Result
from headgate.cluster.retry import RetryDecision, RetryPolicy, decide_retry
from headgate.cluster.snapshot import ClusterSnapshot, EndpointSnapshot, SourceSnapshot
from headgate.cluster.unavailable import Unavailable, Why
from headgate.cluster.wait_queue import WaitQueue

__all__ = [
    "AnswerMerger",
    "Cluster",
    "ClusterCounts",
    "ClusterPolicy",
    "ClusterSnapshot",
    "EndpointSnapshot",
    "Found",
    "ProbeResult",
    "Result",
    "RetryDecision",
    "RetryPolicy",
    "SourceSnapshot",
    "State",
    "Unavailable",
    "WaitQueue",
    "Why",
    "decide_retry",
]
