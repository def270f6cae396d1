"""Wires who may enter: the key store, the authenticator and what keeps the two in step."""

from __future__ import annotations

import contextlib
import time

from headgate.auth.anonymous import Anonymous
from headgate.auth.chain import AuthenticatorChain
from headgate.auth.keys.authenticator import KeyAuthenticator
from headgate.auth.keys.refresher import Refresher
from headgate.auth.tokens.authenticator import TokenAuthenticator
from headgate.config import AuthMode, Config
from headgate.events import Emit, RolesChanged
from headgate.policy import HAD_CALLS, LLM_USER, Roles
from headgate.runtime.handover import Handover
from headgate.runtime.link import Link
from headgate.stores import (
    ROLES_EDITION,
    KeySource,
    KeyState,
    Snapshot,
    open_key_source,
    open_key_store,
)


def authentication(
    config: Config,
    tokens: TokenAuthenticator,
    stack: contextlib.ExitStack,
    link: Link,
    handover: Handover,
    emit: Emit,
) -> tuple[AuthenticatorChain, Refresher | None]:
    """What authenticates requests, and what keeps it up to date if there is a key store.

    The one place that puts authenticators into their order.

    Raises:
        HeadgateError: the key store cannot be read.
    """
    if config.auth.mode is AuthMode.NONE:
        return AuthenticatorChain([Anonymous()], time.time), None
    keys = KeyAuthenticator()
    refresher = _refresher(config, keys, stack, link, handover, emit)
    # Tokens first: they are told from keys by their first character.
    return AuthenticatorChain([tokens, keys], time.time), refresher


def _refresher(
    config: Config,
    keys: KeyAuthenticator,
    stack: contextlib.ExitStack,
    link: Link,
    handover: Handover,
    emit: Emit,
) -> Refresher:
    """Load the keys, and return what keeps them up to date.

    Raises:
        HeadgateError: the key store cannot be read.
    """
    if link.replaces:
        # An empty store in the place of one that is gone would lock everybody out.
        source: KeySource = open_key_source(config)
    else:
        source = open_key_store(config)
    stack.callback(source.close)
    refresher = Refresher(
        source,
        keys.install,
        interval=config.auth.refresh_interval,
        clock=time.time,
        emit=emit,
        roles=Roles(config.roles),
        keep=handover.leave_keys,
        kept=handover.keys() if link.replaces else None,
    )
    refresher.load()
    if link.number == 0 and not link.replaces:  # one worker is enough to log it
        _report_lost_calls(source.snapshot(), Roles(config.roles), emit)
    return refresher


def _report_lost_calls(snapshot: Snapshot, roles: Roles, emit: Emit) -> None:
    """Name the keys made when the role writer could still ask models, which costs money."""
    now = time.time()
    names = tuple(
        record.name
        for record in snapshot.records
        if record.roles_edition < ROLES_EDITION
        and record.state(now) is KeyState.ACTIVE
        and roles.lost_calls(record.roles)
    )
    if names:
        emit(RolesChanged(names, HAD_CALLS, LLM_USER))
