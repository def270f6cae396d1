"""Special-use addresses and host names: one table for endpoints, shields and ``Location``.

``addresses`` has the purpose of each IP address, including embedded ones; ``hosts`` parses a host
like the programs that connect to it.
"""
