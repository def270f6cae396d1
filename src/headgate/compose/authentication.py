"""Wires who may enter: the key store, the authenticators and what keeps them in step."""

from __future__ import annotations

import contextlib
import gc
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from headgate.auth.anonymous import Anonymous
from headgate.auth.chain import AuthenticatorChain
from headgate.auth.keys.authenticator import KeyAuthenticator
from headgate.auth.keys.break_glass import BreakGlassKeys, BreakGlassRule
from headgate.auth.keys.keyring import Keyring
from headgate.auth.keys.looks import Looks
from headgate.auth.keys.refresher import Refresher
from headgate.auth.tokens.authenticator import TokenAuthenticator
from headgate.config import AuthMode, Config
from headgate.errors import HeadgateError
from headgate.events import Emit, Event, FirstKeyRefused, RolesChanged
from headgate.identity.first_key import take_first_key
from headgate.policy import HAD_CALLS, LLM_USER, Roles
from headgate.runtime.kept_keys import KeptKeys
from headgate.runtime.link import Link
from headgate.stores import open_identity_store
from headgate.stores.identity import Changes, IdentityStore, StoreUnreachableError
from headgate.stores.late import LateIdentitySource
from headgate.stores.records import ROLES_EDITION, KeyState
from headgate.telemetry.counters import CounterRow
from headgate.telemetry.metrics import KEY_EXPIRY, KEYS_AGE, KEYS_EXPIRING


@dataclass(frozen=True, slots=True)
class Authentication:
    """What authenticates the requests of one worker.

    Attributes:
        chain: the authenticators.
        refresher: what follows the key store; ``None``: there is none.
        configure: takes up what a reload may change.
    """

    chain: AuthenticatorChain
    refresher: Refresher | None
    configure: Callable[[Config], None]


def authentication(
    config: Config,
    tokens: TokenAuthenticator,
    stack: contextlib.ExitStack,
    link: Link,
    row: CounterRow,
    emit: Emit,
) -> Authentication:
    """What authenticates requests, and what keeps it up to date if there is a key store.

    The one place that puts authenticators into their order.

    Raises:
        HeadgateError: the key store cannot be read, and that would not pass by itself.
    """
    if config.auth.mode is AuthMode.NONE:
        return Authentication(
            AuthenticatorChain([Anonymous()], time.time), None, lambda _config: None
        )
    rules = config.auth.keys
    keyring = Keyring(Roles(config.roles), notice=rules.notice, max_stale=config.auth.max_stale)
    break_glass = BreakGlassKeys(keyring.uses)
    looks = Looks(time.time)
    keys = KeyAuthenticator(keyring, break_glass, looks)
    refresher = _refresher(config, keyring, keys, break_glass, looks, stack, link, row, emit)

    def configure(new: Config) -> None:
        if break_glass.configure(_rules(new)):
            keys.generation += 1
        refresher.regrant(Roles(new.roles))
        refresher.is_alone = not new.auth.issuers

    configure(config)
    # Tokens first: they are told from keys by their first character.
    chain = AuthenticatorChain([tokens, keys], time.time)
    return Authentication(chain, refresher, configure)


def _refresher(
    config: Config,
    keyring: Keyring,
    keys: KeyAuthenticator,
    break_glass: BreakGlassKeys,
    looks: Looks,
    stack: contextlib.ExitStack,
    link: Link,
    row: CounterRow,
    emit: Emit,
) -> Refresher:
    """Load the keys, and return what keeps them up to date.

    Raises:
        HeadgateError: the key store cannot be read, and that would not pass by itself.
    """
    # An empty store in the place of one that is gone would lock everybody out.
    opening = _Opening(config, create=not link.replaces)
    source = LateIdentitySource(opening)
    stack.callback(source.close)
    kept = KeptKeys(link, leaves=link.number == 0)  # one worker is enough to leave them
    stack.callback(kept.close)

    def changed() -> None:
        keys.generation += 1

    def show(age: float, expiring: int, first_end: float) -> None:
        row.set(KEYS_AGE, max(0, int(age)))
        row.set(KEYS_EXPIRING, expiring)
        if math.isinf(first_end):
            row.unset(KEY_EXPIRY)
        else:
            row.set(KEY_EXPIRY, first_end)

    refresher = Refresher(
        source,
        keyring,
        changed,
        interval=config.auth.refresh_interval,
        clock=time.time,
        emit=emit,
        keep=kept,
        left=kept.left(),  # of a worker before this one, or of the gate before
        before_reading=_before_reading(config, opening),
        # One worker is enough to log it.
        inspect=_lost_calls(config, emit) if link.number == 0 and not link.replaces else None,
        break_glass=break_glass,
        looks=looks,
        announces=link.number == 0,
        show=show,
    )
    with _collected_afterwards():
        refresher.load()
    return refresher


@contextlib.contextmanager
def _collected_afterwards() -> Iterator[None]:
    """Collect no garbage while a hundred thousand keys are read, and never look at them again.

    Each full collection would look at all of them, which holds up every request for a while.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


class _Opening:
    """Opens the store when that can be done, once."""

    def __init__(self, config: Config, *, create: bool) -> None:
        self._config: Final = config
        self._create: Final = create
        self._store: IdentityStore | None = None

    def __call__(self) -> IdentityStore:
        """The store.

        Raises:
            HeadgateError: it cannot be opened.
        """
        if self._store is None:
            self._store = open_identity_store(self._config, create=self._create)
        return self._store


def _before_reading(
    config: Config, opening: Callable[[], IdentityStore]
) -> Callable[[], Sequence[Event]] | None:
    """What is done with the store before it is read for the first time."""
    digest = config.auth.first_key
    if digest is None:
        return None

    def take() -> Sequence[Event]:
        store = opening()
        try:
            return take_first_key(store, digest, config.auth.keys, time.time())
        except StoreUnreachableError:
            raise  # it is tried again
        except HeadgateError as error:
            return [FirstKeyRefused(str(error))]

    return take


def _lost_calls(config: Config, emit: Emit) -> Callable[[Changes], None]:
    """Names the keys made when the role writer could still ask models, which costs money."""

    def inspect(changes: Changes) -> None:
        roles, now = Roles(config.roles), time.time()
        names = tuple(
            each.name
            for each in changes.keys
            if each.roles_edition < ROLES_EDITION
            and each.state(now) is KeyState.ACTIVE
            and roles.lost_calls(each.roles)
        )
        if names:
            emit(RolesChanged(names, HAD_CALLS, LLM_USER))

    return inspect


def _rules(config: Config) -> list[BreakGlassRule]:
    return [
        BreakGlassRule(bytes.fromhex(each.sha256), each.ends, each.reason)
        for each in config.auth.break_glass
    ]
