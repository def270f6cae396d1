"""The signing keys of an issuer: a JWK Set (RFC 7517 section 5), read strictly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from headgate.auth.tokens.jose import KeyUnusableError, OtherUseError, PublicKey, public_key
from headgate.errors import HeadgateError
from headgate.wire.strict_json import JsonError, read_object

MOST_KEYS: Final = 100
_SHOWN: Final = 40  # characters of a key's name


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys of one issuer that the gate uses.

    Attributes:
        keys: in the order of the document.
        unusable: those that are broken or secret, each with the reason.
        document: what they were read from.
    """

    keys: tuple[PublicKey, ...]
    unusable: tuple[str, ...]
    document: bytes

    @property
    def fingerprints(self) -> frozenset[str]:
        """What tells these keys from others, with their names."""
        return frozenset(f"{each.kid} {each.fingerprint}" for each in self.keys)

    def named(self, kid: str) -> list[PublicKey]:
        """The keys with that name; several may have it, if they are of several types."""
        return [each for each in self.keys if each.kid == kid]


def read_key_set(document: bytes) -> KeySet:
    """Read a JWK Set.

    Keys that are for another use, of a type that the gate does not know, or broken are left out.

    Raises:
        HeadgateError: it is not one, it has too many keys, or none of them can be used.
    """
    try:
        found = read_object(document).get("keys")
    except JsonError as error:
        raise HeadgateError(f"the key set {error}") from None
    if not isinstance(found, list):
        raise HeadgateError("the key set has no list 'keys'")
    if len(found) > MOST_KEYS:
        raise HeadgateError(f"the key set has {len(found)} keys, more than {MOST_KEYS}")
    keys, unusable, other = _sorted(found)
    if not keys:
        why = "; ".join((*unusable, *other)[:3])
        raise HeadgateError(f"the key set has no key that can be used{': ' if why else ''}{why}")
    return KeySet(tuple(keys), tuple(unusable), document)


def _sorted(found: Sequence[Any]) -> tuple[list[PublicKey], list[str], list[str]]:
    """Those that can be used; those that are broken; and those for another use."""
    keys: list[PublicKey] = []
    unusable: list[str] = []
    other: list[str] = []
    for at, jwk in enumerate(found):
        if not isinstance(jwk, dict):
            unusable.append(f"the key {at} is no JSON object")
            continue
        name = f"the key {at} ({str(jwk.get('kid'))[:_SHOWN]!r})"
        try:
            key = public_key(jwk)
        except OtherUseError as error:
            other.append(f"{name}: {error}")
        except KeyUnusableError as error:
            unusable.append(f"{name}: {error}")
        else:
            if any(_mistakable(key, each) for each in keys):
                unusable.append(f"{name}: another key has the same name and algorithm")
            else:
                keys.append(key)
    return keys, unusable, other


def _mistakable(one: PublicKey, other: PublicKey) -> bool:
    """Whether a token that names one key could mean the other."""
    if one.kid is None and other.kid is None:
        return False  # a token without a name is refused where several keys fit
    return one.kid == other.kid and bool(one.algorithms & other.algorithms)
