"""What is shown of keys and principals: the documents of ``headgate.identity``, as models."""

from __future__ import annotations

from dataclasses import replace

from headgate.control.api import schema
from headgate.identity import KeyView, PrincipalView
from headgate.identity.documents import key_document, principal_document


def key(view: KeyView, *, with_address: bool) -> schema.Key:
    """A key; ``with_address``: with the address from which it was last used."""
    if view.last_use is not None and not with_address:
        view = replace(view, last_use=replace(view.last_use, address=""))
    return schema.Key.model_validate(key_document(view))


def principal(view: PrincipalView) -> schema.Principal:
    """A principal."""
    return schema.Principal.model_validate(principal_document(view))
