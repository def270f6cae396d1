"""Headgate's documents, and the programs that write their generated part."""
