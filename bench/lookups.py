"""Times look-ups of keys in memory, as a program of its own: ``python -m bench.lookups NUMBER…``.

For each number of keys a keyring is made, and its keys are shown in an order that no cache of the
processor foresees, each of them once before the time is taken.
"""

from __future__ import annotations

import gc
import json
import random
import sys
import time
from collections.abc import Sequence

from bench.population import PRINCIPALS, principal, record, secret
from headgate.auth.chain import Identified
from headgate.auth.credentials import Credentials
from headgate.auth.keys.authenticator import KeyAuthenticator
from headgate.auth.keys.intake import Intake
from headgate.auth.keys.keyring import Keyring
from headgate.events import discard
from headgate.stores.identity import Changes, Position

LOOK_UPS = 200_000


def microseconds(keys: int) -> float:
    """The time of one look-up among so many keys."""
    keyring = Keyring()
    now = time.time()
    changes = Changes(
        Position(1, ""),
        complete=True,
        principals=[principal(number) for number in range(min(PRINCIPALS, keys))],
        keys=[record(number) for number in range(keys)],
    )
    for _ in Intake(keyring, discard).take(changes, now):
        pass
    keyring.compared(now)
    authenticator = KeyAuthenticator(keyring)
    shown = [Credentials(secret(number)) for number in range(keys)]
    random.Random(keys).shuffle(shown)  # noqa: S311 - the same order each time
    for each in shown:
        assert isinstance(authenticator.authenticate(each, now), Identified)  # noqa: S101
    order = shown * (LOOK_UPS // keys)
    gc.collect()
    gc.freeze()
    started = time.perf_counter()
    for each in order:
        authenticator.authenticate(each, now)
    return (time.perf_counter() - started) / len(order) * 1e6


def main(arguments: Sequence[str]) -> None:
    """Print the microseconds of a look-up for each number, as JSON."""
    json.dump({number: microseconds(int(number)) for number in arguments}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
