"""Tokens of issuers (JWT): their verification, the keys of issuers, and rules for claims."""
