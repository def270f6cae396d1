"""Which endpoint of an upstream may take a request, and whether a failed one is sent again.

Decisions alone: discovery, probes and requests report what they found, and are told what to do
next.  Nothing here knows a socket, a clock or a source of randomness; times are seconds on any
clock that does not go back.
"""

from headgate.upstream.cluster import Cluster
from headgate.upstream.member import State
from headgate.upstream.merge import AnswerMerger
from headgate.upstream.policy import ClusterPolicy
from headgate.upstream.reports import Found, ProbeResult, Result
from headgate.upstream.retry import RetryDecision, RetryPolicy, decide
from headgate.upstream.snapshot import ClusterSnapshot, EndpointSnapshot, SourceSnapshot
from headgate.upstream.unavailable import Unavailable, Why
from headgate.upstream.wait_queue import WaitQueue

__all__ = [
    "AnswerMerger",
    "Cluster",
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
    "decide",
]
