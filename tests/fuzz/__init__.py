"""Fuzzing of everything that reads a peer's bytes: they are accepted or cleanly refused.

``python -m tests.fuzz`` searches; ``seeds/`` keeps where to begin, and every input that has
ever broken something.
"""
