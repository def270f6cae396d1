"""HTTP/1.1 as bytes: heads, framing, header rules and the canonical target.

Pure functions and small state machines.  Nothing here knows a socket, a clock or MLflow.
llhttp (through httptools) owns the grammar of heads; what HTTP leaves to a recipient's
judgement is decided here, always towards refusal.
"""
