"""Special addresses and host names: one table for endpoints, shields and ``Location``.

``addresses`` says what an IP address is for, and which others are embedded in it; ``hosts`` reads
a host as the programs that connect to it do.
"""
