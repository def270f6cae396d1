"""Which endpoint of an upstream may take a request, and whether a failed one is sent again.

Decisions alone: discovery, probes and requests report what they found, and are told what to do
next.  Nothing here knows a socket, a clock or a source of randomness; times are seconds on any
clock that does not go back.
"""

from headgate.upstream.merge import AnswerMerger
from headgate.upstream.wait_queue import WaitQueue

__all__ = ["AnswerMerger", "WaitQueue"]
