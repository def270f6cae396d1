"""Doubles for what the data plane touches: a clock, TCP connections, a gate, a pool of MLflow's.

With them a test is a dialogue (``dialogue.Dialogue``): the client sends this, MLflow must have
received that.  No socket is opened, no time passes and nothing runs by itself, so every order of
events can be written down.  Nothing outside this package imports it.
"""
