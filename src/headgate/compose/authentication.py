"""Wires who may enter: the key store, the authenticator and what keeps the two in step."""

from __future__ import annotations

import contextlib
import logging
import time

from headgate.auth.anonymous import Anonymous
from headgate.auth.chain import AuthenticatorChain
from headgate.auth.keys.authenticator import KeyAuthenticator
from headgate.auth.keys.refresher import Refresher
from headgate.config import AuthMode, Config
from headgate.errors import HeadgateError
from headgate.policy import HAD_CALLS, LLM_USER, Roles
from headgate.runtime.handover import Handover
from headgate.runtime.link import Link
from headgate.stores import ROLES_EDITION, KeyState, KeyStore, LateKeyStore

log = logging.getLogger("headgate")


def authentication(
    config: Config, stack: contextlib.ExitStack, link: Link, handover: Handover
) -> tuple[AuthenticatorChain, Refresher | None]:
    """What authenticates requests, and what keeps it up to date if there is a key store.

    The one place that puts authenticators into their order.

    Raises:
        HeadgateError: the key store cannot be read.
    """
    if config.auth.mode is AuthMode.NONE:
        return AuthenticatorChain([Anonymous()], time.time), None
    keys = KeyAuthenticator()
    refresher = _refresher(config, keys, stack, link, handover)
    return AuthenticatorChain([keys], time.time), refresher


def _refresher(
    config: Config,
    keys: KeyAuthenticator,
    stack: contextlib.ExitStack,
    link: Link,
    handover: Handover,
) -> Refresher:
    """Load the keys, and return what keeps them up to date."""
    if link.replaces:
        # An empty store in the place of one that is gone would lock everybody out.
        source: KeyStore | LateKeyStore = LateKeyStore(config.key_database)
    else:
        source = KeyStore(config.key_database)
    stack.callback(source.close)
    refresher = Refresher(
        source,
        keys.install,
        interval=config.auth.refresh_interval,
        clock=time.time,
        report=_report_key_store,
        roles=Roles(config.roles),
        keep=handover.leave_keys,
        kept=handover.keys() if link.replaces else None,
    )
    refresher.load()
    if isinstance(source, KeyStore) and link.number == 0:  # one worker is enough to log it
        _warn_of_lost_calls(source, Roles(config.roles))
    return refresher


def _warn_of_lost_calls(store: KeyStore, roles: Roles) -> None:
    """Name the keys made when the role writer could still ask models, which costs money."""
    now = time.time()
    names = [
        record.name
        for record in store.records()
        if record.roles_edition < ROLES_EDITION
        and record.state(now) is KeyState.ACTIVE
        and roles.lost_calls(record.roles)
    ]
    if names:
        log.warning(
            "the role %s does not allow calls of models through MLflow's AI gateway any longer, "
            "since they cost money; these keys could make them before: %s. Give the role %s to "
            "those that are to go on: headgate keys set-roles NAME --role %s --role %s. A key "
            "whose roles are set, to whatever, is not named again",
            *(HAD_CALLS, ", ".join(f"'{name}'" for name in names), LLM_USER, HAD_CALLS, LLM_USER),
            extra={"fields": {"event": "roles_changed", "keys": names}},
        )


def _report_key_store(error: HeadgateError | None) -> None:
    if error is None:
        log.info("the key store can be read again")
    else:
        log.error("the key store cannot be read; keys stay as they were: %s", error)
