"""Tokens of issuers (JWT): their verification, the keys of issuers, and rules for claims.

``form`` reads what a token says, strictly, before anything of it is believed.  ``trusted_issuer``
has what one issuer's tokens must fulfil, ``verification`` the steps in their order over all
issuers, and ``authenticator`` remembers for the request path what was verified.  ``key_set`` reads
the signing keys of an issuer, ``key_source`` fetches them, ``issuer_keys`` keeps those of one
issuer up to date and ``follower`` those of all.  ``jose`` and ``http`` are the adapters of joserfc
and httpx2.
"""
